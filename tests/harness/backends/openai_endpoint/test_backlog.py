"""What waits for a connection: in turn, or until its time has come."""

from __future__ import annotations

import math

from asking import requests

from harness.backends.openai_endpoint.backlog import Backlog
from harness.backends.openai_endpoint.exchange import Exchange


def test_what_is_kept_back_is_ready_when_its_time_has_come_in_order_of_time():
    backlog = Backlog()
    first, second, third, fourth = map(Exchange, requests(4))
    backlog.ready.append(first)
    for exchange, due in ((fourth, 103.0), (second, 102.0), (third, 102.0)):
        backlog.postpone(exchange, due)
    assert backlog.next_due == 102.0
    backlog.ripen(101.9)
    assert list(backlog.ready) == [first]
    backlog.ripen(102.0)
    assert list(backlog.ready) == [first, second, third]
    assert backlog.next_due == 103.0


def test_all_of_it_is_given_away():
    backlog = Backlog()
    now, later = map(Exchange, requests(2))
    backlog.ready.append(now)
    backlog.postpone(later, 102.0)
    assert backlog.clear() == [now, later]
    assert not backlog.ready and backlog.next_due == math.inf

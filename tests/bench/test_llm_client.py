"""The row ``llm_client``: its server answers as vLLM does, all that is asked is answered, and at no strange price."""

from __future__ import annotations

import pytest

from bench.llm_client import TOKENS, requests_a_second


@pytest.mark.parametrize(("streaming", "bar"), [(True, 50_000 / TOKENS), (False, 2_000)], ids=["streaming", "whole"])
def test_a_core_reaches_a_tenth_of_its_bar(streaming, bar):
    # Of processor time, which a loaded machine does not lengthen much; few requests pay for many connections.
    assert requests_a_second(100, streaming=streaming) > bar / 10

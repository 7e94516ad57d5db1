"""The row ``llm_client``: its server answers as vLLM does, and all that is asked is answered."""

from __future__ import annotations

import pytest

from bench.llm_client import requests_a_second


@pytest.mark.parametrize("streaming", [True, False], ids=["streaming", "whole"])
def test_every_request_is_answered(streaming):
    assert requests_a_second(20, streaming=streaming) > 0

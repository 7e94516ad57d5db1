"""What LoadGen's accuracy log is read as, whole, repeated and broken."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.benchmarks.accuracy_log import read_accuracy_log
from mlperf_registry.schema.problem import WrongLog


def entry(index: int, response: bytes, seq: int = 0) -> dict[str, object]:
    return {"seq_id": seq, "qsl_idx": index, "data": response.hex().upper()}


def test_responses_by_index(tmp_path: Path) -> None:
    log = tmp_path / "mlperf_log_accuracy.json"
    log.write_text(json.dumps([entry(3, b"\x01\x02", 0), entry(0, b"\xff", 1)]))
    assert read_accuracy_log(log) == {3: b"\x01\x02", 0: b"\xff"}


def test_the_first_of_repeated_samples_counts(tmp_path: Path) -> None:
    log = tmp_path / "mlperf_log_accuracy.json"
    log.write_text(json.dumps([entry(5, b"\x01", 0), entry(5, b"\x02", 1)]))
    assert read_accuracy_log(log) == {5: b"\x01"}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ('[ { "seq_id" : 0, "qsl_idx" : 1, "data" : "0100"},\n{ "seq_id" : 1, "qs', "cut off or damaged"),
        ("", "cut off or damaged"),
        ("[\n]\n", "no responses"),
        ('[{"seq_id": 0, "qsl_idx": 1}]', "not LoadGen's"),
        ('[{"seq_id": 0, "qsl_idx": 1, "data": "0"}]', "not LoadGen's"),
        ('[{"seq_id": 0, "qsl_idx": "one", "data": "00"}]', "Entry 0 .* is not LoadGen's"),
        ('{"a": 1}', "not LoadGen's"),
        ("[1]", "not LoadGen's"),
        ("7", "not LoadGen's"),
    ],
)
def test_a_broken_log_is_a_sentence(tmp_path: Path, content: str, said: str) -> None:
    log = tmp_path / "mlperf_log_accuracy.json"
    log.write_text(content)
    with pytest.raises(WrongLog, match=said) as failed:
        read_accuracy_log(log)
    assert "Error(" not in str(failed.value)


def test_a_missing_log_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(WrongLog, match="cannot be read"):
        read_accuracy_log(tmp_path / "mlperf_log_accuracy.json")

"""Files appear whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mlperf_registry.atomic import write_json, write_text


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "result.json"
    write_text(path, "old")

    def full_disk(handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(OSError, match="No space left"):
        write_text(path, "new")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_device_and_a_pipe_stay_what_they_are(tmp_path):
    with pytest.raises(OSError, match="No space left"):
        write_text(Path("/dev/full"), "lost")
    assert Path("/dev/full").is_char_device()
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        write_text(pipe, "passed on")
        assert os.read(reader, 100) == b"passed on"
    finally:
        os.close(reader)
    assert pipe.is_fifo()


def test_json_without_a_number_is_refused_rather_than_written(tmp_path):
    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "x.json", {"qps": float("nan")})
    assert not list(tmp_path.iterdir())

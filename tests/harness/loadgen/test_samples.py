"""samples.npz: whole or not at all, and with what it says in it."""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path

import numpy as np
import pytest

from harness.loadgen.samples import Samples


def test_saved_columns(tmp_path):
    samples = Samples()
    samples.append([11, 12], [5, 3])
    samples.append([13], [4])
    samples.first_token(np.array([1]))
    samples.complete(np.array([1]), np.array([9]))
    samples.complete(np.array([2, 0]), np.array([8, 7]))
    samples.save(tmp_path / "samples.npz")
    with np.load(tmp_path / "samples.npz") as saved:
        assert saved["index"].tolist() == [5, 3, 4]
        assert saved["token_count"].tolist() == [7, 9, 8]
        assert saved["issue_ns"][0] == 0
        assert saved["issue_ns"][1] == 0
        assert (saved["complete_ns"] >= saved["issue_ns"]).all()
        assert saved["first_token_ns"][1] >= 0
        assert abs(saved["started_unix"] - samples.started_unix) < 1e-3


def test_growing_keeps_what_is_there():
    samples = Samples(1)
    count = 3 << 16
    for first in range(0, count, 1 << 14):
        samples.append(range(first, first + (1 << 14)), range(1 << 14))
        samples.complete(np.array([first]))
    assert samples.loadgen_ids(np.arange(count)) == list(range(count))
    assert np.flatnonzero(samples.complete_ns[:count]).tolist() == list(range(0, count, 1 << 14))


@pytest.mark.skipif(sys.platform != "linux", reason="the system does not tell of /proc/self/statm")
def test_memory_does_not_grow_while_a_large_query_is_answered():
    count = 1 << 21
    samples = Samples(count)
    ids = np.arange(count)
    samples.append(range(count), range(count))
    before = resident_bytes()
    for part in np.split(ids, 64):
        assert samples.complete(part) is None
    assert resident_bytes() - before < ids.nbytes / 4
    assert samples.completed == count


def resident_bytes() -> int:
    fields = Path("/proc/self/statm").read_text().split()
    return int(fields[1]) * os.sysconf("SC_PAGE_SIZE")


def test_a_full_disk_leaves_nothing(tmp_path, monkeypatch):
    samples = Samples()
    samples.append([1], [1])

    def full(handle):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        samples.save(tmp_path / "samples.npz")
    assert list(tmp_path.iterdir()) == []

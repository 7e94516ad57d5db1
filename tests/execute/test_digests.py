"""Digests of large files are made once, and again when the file is another."""

from __future__ import annotations

import hashlib
import os

import pytest

from mlperf_registry.execute import digests


@pytest.fixture
def large(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(digests, "LEAST", 10)
    monkeypatch.setattr(digests, "_SETTLED_NS", -1)
    path = tmp_path / "network.onnx"
    path.write_bytes(b"a" * 20)
    return path


@pytest.fixture
def reads(monkeypatch):
    """The files that were read to the end."""
    read = []
    whole = digests.sha256_of
    monkeypatch.setattr(digests, "sha256_of", lambda path: read.append(path) or whole(path))
    return read


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_file_is_read_once(large, reads):
    assert [digests.kept_sha256(large) for _ in range(3)] == 3 * [digest(large)]
    assert len(reads) == 1


def test_other_content_is_read_again_even_with_the_old_time(large, reads):
    digests.kept_sha256(large)
    before = large.stat()
    large.write_bytes(b"b" * 20)
    os.utime(large, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert digests.kept_sha256(large) == digest(large)
    assert len(reads) == 2


def test_a_file_that_changed_just_now_is_not_kept(large, reads, monkeypatch):
    monkeypatch.setattr(digests, "_SETTLED_NS", 1 << 62)
    for _ in range(2):
        assert digests.kept_sha256(large) == digest(large)
    assert len(reads) == 2


def test_a_small_file_leaves_nothing(large, reads, monkeypatch, tmp_path):
    monkeypatch.setattr(digests, "LEAST", 100)
    digests.kept_sha256(large)
    assert not (tmp_path / "cache").exists()


def test_a_damaged_entry_is_made_anew(large, reads, tmp_path):
    digests.kept_sha256(large)
    (entry,) = (tmp_path / "cache" / "mlperf-registry" / "digests").iterdir()
    entry.write_text("no digest")
    assert digests.kept_sha256(large) == digest(large)
    assert entry.read_text() == digest(large)


def test_a_cache_that_cannot_be_written_is_done_without(large, tmp_path):
    (tmp_path / "cache").write_text("a file where the folder should be")
    assert digests.kept_sha256(large) == digest(large)

"""The timing cache: kept between builds of a kind, and no obstacle where the library refuses it."""

from __future__ import annotations

import types

from harness.backends.tensorrt.timing import TimingCache

LIBRARY = types.SimpleNamespace(title="TensorRT 8.6.0")


class Config:
    """A build configuration that takes timing caches of some contents only."""

    def __init__(self, takes=lambda content: True):
        self.takes = takes
        self.given = None

    def create_timing_cache(self, content):
        return types.SimpleNamespace(content=content, serialize=lambda: b"timings")

    def set_timing_cache(self, cache, ignore_mismatch):
        assert ignore_mismatch is False
        self.given = cache.content
        return self.takes(cache.content)


def test_timings_of_one_build_are_the_next_ones(tmp_path):
    first = TimingCache(tmp_path, LIBRARY, "H100", "fp16")
    first.attach(Config())
    assert not first.used
    first.keep()
    second, config = TimingCache(tmp_path, LIBRARY, "H100", "fp16"), Config()
    second.attach(config)
    assert second.used and config.given == b"timings"
    for kind in (("H200", "fp16"), ("H100", "int8"), ("H100", "fp16", 60)):
        other = TimingCache(tmp_path, LIBRARY, *kind)
        other.attach(Config())
        assert not other.used


def test_a_cache_that_is_refused_is_begun_anew(tmp_path):
    cache = TimingCache(tmp_path, LIBRARY, "H100", "int8")
    cache.path.write_bytes(b"of another version")
    config = Config(takes=lambda content: content == b"")
    cache.attach(config)
    assert config.given == b"" and not cache.used


def test_a_build_that_failed_with_it_goes_without(tmp_path):
    cache = TimingCache(tmp_path, LIBRARY, "H100", "int8")
    cache.path.write_bytes(b"timings")
    cache.attach(Config())
    assert cache.used
    cache.drop()
    assert not cache.used and not cache.path.exists()


def test_a_library_that_takes_none_builds_without(tmp_path):
    cache = TimingCache(tmp_path, LIBRARY, "H100", "int8")
    cache.attach(Config(takes=lambda content: False))
    assert not cache.used
    cache.keep()
    assert not cache.path.exists()

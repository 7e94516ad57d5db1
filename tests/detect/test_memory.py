from __future__ import annotations

import pytest

from mlperf_registry.detect.memory import condensed, read_memory

MEMINFO = "MemTotal:       16777216 kB\nMemFree:        1 kB\n"


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({}, None),
        ({"/sys/fs/cgroup/memory.max": "max\n"}, None),
        ({"/sys/fs/cgroup/memory.max": "4294967296\n"}, "use 4.0 of the machine's 16.0 GiB"),
        ({"/sys/fs/cgroup/memory/memory.limit_in_bytes": "4294967296\n"}, "use 4.0 of the machine's 16.0 GiB"),
        ({"/sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n"}, None),
    ],
)
def test_memory_is_the_machines_and_a_containers_limit_is_said(make_host, files, words):
    notes = []
    assert read_memory(make_host(files={"/proc/meminfo": MEMINFO, **files}), notes) == 16 * 2**30
    assert len(notes) == (words is not None)
    assert words is None or words in notes[0]


def test_a_condensed_meminfo_keeps_the_total():
    assert condensed(MEMINFO) == "MemTotal:       16777216 kB\n"

"""The host's memory."""

from __future__ import annotations

import re

from mlperf_registry.detect.host import Host

_TOTAL = re.compile(r"MemTotal:\s*(\d+) kB")
_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")


def read_memory(host: Host, notes: list[str]) -> int | None:
    """Bytes of it, as much as the kernel manages; ``notes`` gains a sentence where a container may use less."""
    memory = meminfo_total(host.text("/proc/meminfo"))
    if memory is None:
        notes.append("The host's memory is unknown: /proc/meminfo does not say it.")
        return None
    limit = next((int(text) for path in _LIMITS if (text := (host.text(path) or "").strip()).isdecimal()), memory)
    if limit < memory:
        notes.append(
            f"A control group lets this process use {limit / 2**30:.1f} of the machine's {memory / 2**30:.1f} GiB of "
            "memory (docker run --memory)."
        )
    return memory


def meminfo_total(text: str | None) -> int | None:
    """Bytes that a meminfo file, the machine's or a node's, gives in all."""
    found = _TOTAL.search(text or "")
    return int(found[1]) * 1024 if found else None


def condensed(meminfo: str) -> str:
    """A meminfo file without what detection does not read."""
    return "".join(f"{line}\n" for line in meminfo.splitlines() if _TOTAL.search(line))

"""A recording: all that detection read of a machine, to be looked at again on another one.

`mlperf systems detect --record FILE` writes one, which says in a bug report what a person would have to describe.
"""

from __future__ import annotations

from typing import Any

import attrs

from mlperf_registry.detect import cpu, memory
from mlperf_registry.detect.host import Host
from mlperf_registry.detect.linux_lists import parse_list
from mlperf_registry.detect.nvml import NvmlFacts
from mlperf_registry.schema.components import FrozenMap
from mlperf_registry.schema.knob import knob
from mlperf_registry.schema.numa_string import ranges

RECORDING_SCHEMA = 1
"""Version of the form of a recording."""


def _cpu_list(value: Any) -> str | None:
    try:
        parse_list(value)
    except ValueError:
        return "must be a list of CPUs such as '0-3,8-11'"
    return None


@attrs.frozen(kw_only=True)
class Recording:
    """What was read, by where it was read."""

    recording: int = knob("Version of this form.", default=RECORDING_SCHEMA)
    source: str = knob("Where it comes from: captured, or made from which facts.", default="")
    architecture: str = knob("Instruction set, such as x86_64 and aarch64.")
    kernel: str | None = knob("Name and release of the kernel.", default=None)
    affinity: str | None = knob("Logical CPUs that the process may use.", check=_cpu_list, default=None)
    environ: FrozenMap[str] = knob("Environment variables.", default=FrozenMap({}))
    files: FrozenMap[str] = knob("Path to text.", default=FrozenMap({}))
    folders: FrozenMap[tuple[str, ...]] = knob("Path to the names in it.", default=FrozenMap({}))
    links: FrozenMap[str] = knob("Path to what the link says.", default=FrozenMap({}))
    distributions: FrozenMap[str] = knob("Python distribution to its version.", default=FrozenMap({}))
    nvml: NvmlFacts | None = knob("What NVIDIA's driver says.", default=None)
    nvml_absent: str = knob("Why it says nothing.", default="NVIDIA's driver was not recorded.")


class RecordedHost:
    """The machine of a recording; what it does not hold is not there."""

    def __init__(self, recording: Recording) -> None:
        self._recording = recording

    @property
    def architecture(self) -> str:
        """As recorded."""
        return self._recording.architecture

    @property
    def kernel(self) -> str | None:
        """As recorded."""
        return self._recording.kernel

    @property
    def affinity(self) -> tuple[int, ...] | None:
        """As recorded."""
        text = self._recording.affinity
        return None if text is None else parse_list(text)

    def variable(self, name: str) -> str | None:
        """As recorded: those of this process do not count."""
        return self._recording.environ.get(name)

    def text(self, path: str) -> str | None:
        """As recorded."""
        return self._recording.files.get(path)

    def names(self, folder: str) -> tuple[str, ...]:
        """As recorded."""
        return self._recording.folders.get(folder, ())

    def link(self, path: str) -> str | None:
        """As recorded."""
        return self._recording.links.get(path)

    def nvml(self) -> NvmlFacts | str:
        """As recorded."""
        return self._recording.nvml or self._recording.nvml_absent

    def version(self, distribution: str) -> str | None:
        """As recorded."""
        return self._recording.distributions.get(distribution)


class Recorder:
    """A host that remembers what it was asked and what it answered; use it once."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._environ: dict[str, str] = {}
        self._files: dict[str, str] = {}
        self._folders: dict[str, tuple[str, ...]] = {}
        self._links: dict[str, str] = {}
        self._distributions: dict[str, str] = {}

    def recording(self, source: str) -> Recording:
        """All that was asked of it so far."""
        facts, affinity = self._host.nvml(), self.affinity
        absent = {"nvml_absent": facts} if isinstance(facts, str) else {"nvml": facts}
        return Recording(
            source=source,
            architecture=self.architecture,
            kernel=self.kernel,
            affinity=None if affinity is None else ranges(affinity),
            environ=FrozenMap(self._environ),
            files=FrozenMap(self._files),
            folders=FrozenMap(self._folders),
            links=FrozenMap(self._links),
            distributions=FrozenMap(self._distributions),
            **absent,
        )

    @property
    def architecture(self) -> str:
        """The host's."""
        return self._host.architecture

    @property
    def kernel(self) -> str | None:
        """The host's."""
        return self._host.kernel

    @property
    def affinity(self) -> tuple[int, ...] | None:
        """The host's."""
        return self._host.affinity

    def variable(self, name: str) -> str | None:
        """The host's."""
        return _noted(self._environ, name, self._host.variable(name))

    def text(self, path: str) -> str | None:
        """The host's, without what detection does not read of long files."""
        text = self._host.text(path)
        if text is not None and path == cpu.CPUINFO:
            text = cpu.condensed(text)
        elif text is not None and path.endswith("/meminfo"):
            text = memory.condensed(text)
        return _noted(self._files, path, text)

    def names(self, folder: str) -> tuple[str, ...]:
        """The host's."""
        names = self._host.names(folder)
        if names:
            self._folders[folder] = names
        return names

    def link(self, path: str) -> str | None:
        """The host's."""
        return _noted(self._links, path, self._host.link(path))

    def nvml(self) -> NvmlFacts | str:
        """The host's."""
        return self._host.nvml()

    def version(self, distribution: str) -> str | None:
        """The host's."""
        return _noted(self._distributions, distribution, self._host.version(distribution))


def _noted(notes: dict[str, str], key: str, value: str | None) -> str | None:
    if value is not None:
        notes[key] = value
    return value

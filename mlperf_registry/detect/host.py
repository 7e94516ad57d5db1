"""Host: the one small interface through which detection sees a machine, and LiveHost, which is this machine.

A recording stands behind the same interface, so that a machine can be looked at again where it is not.
"""

from __future__ import annotations

import os
import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Protocol

from mlperf_registry.detect.nvml import NvmlFacts, read_nvml


class Host(Protocol):
    """A machine, seen from one process on it. Nothing here raises: what cannot be read is None or empty."""

    @property
    def architecture(self) -> str:
        """Instruction set, such as x86_64 and aarch64."""

    @property
    def kernel(self) -> str | None:
        """Name and release of the kernel, such as Linux 6.8.0."""

    @property
    def affinity(self) -> tuple[int, ...] | None:
        """Logical CPUs that this process may use, ascending."""

    def variable(self, name: str) -> str | None:
        """An environment variable."""

    def text(self, path: str) -> str | None:
        """A file's text."""

    def names(self, folder: str) -> tuple[str, ...]:
        """Names in a folder, sorted."""

    def link(self, path: str) -> str | None:
        """What a symbolic link says."""

    def nvml(self) -> NvmlFacts | str:
        """What NVIDIA's driver says, or the sentence why it says nothing."""

    def version(self, distribution: str) -> str | None:
        """Installed version of a Python distribution."""


class LiveHost:
    """The machine that this process runs on."""

    def __init__(self) -> None:
        self._nvml: NvmlFacts | str | None = None

    @property
    def architecture(self) -> str:
        """As the kernel names it, with Windows' and macOS' names made Linux'."""
        machine = platform.machine()
        return {"AMD64": "x86_64", "arm64": "aarch64"}.get(machine, machine)

    @property
    def kernel(self) -> str | None:
        """System and release."""
        return f"{platform.system()} {platform.release()}".strip() or None

    @property
    def affinity(self) -> tuple[int, ...] | None:
        """None where the system has no affinities."""
        if sys.platform != "linux":
            return None
        return tuple(sorted(os.sched_getaffinity(0)))

    def variable(self, name: str) -> str | None:
        """This process's."""
        return os.environ.get(name)

    def text(self, path: str) -> str | None:
        """None where it is not there, not readable or, as some of /sys are, without a value at present."""
        try:
            return Path(path).read_bytes().decode(errors="replace")
        except OSError:
            return None

    def names(self, folder: str) -> tuple[str, ...]:
        """Empty where it is not there or not readable."""
        try:
            return tuple(sorted(os.listdir(folder)))  # noqa: PTH208 (names only: Path objects are slow in /dev)
        except OSError:
            return ()

    def link(self, path: str) -> str | None:
        """None where it is no link."""
        try:
            return os.readlink(path)  # noqa: PTH115 (the text of it)
        except OSError:
            return None

    def nvml(self) -> NvmlFacts | str:
        """Asked once."""
        if self._nvml is None:
            self._nvml = read_nvml()
        return self._nvml

    def version(self, distribution: str) -> str | None:
        """None where it is not installed in this Python."""
        try:
            return version(distribution)
        except PackageNotFoundError:
            return None

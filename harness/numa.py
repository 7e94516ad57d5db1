"""Placement: binds threads and memory to the NUMA nodes that runtime.numa_config names.

By system calls, so that no container needs numactl or libnuma. Where the kernel refuses, a note says so and the run
goes on: memory then lies where Linux puts it.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import sys
import threading
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from typing import NoReturn, Protocol, TypeVar

import attrs

from harness.cores import usable_cores
from mlperf_registry.schema.numa_string import MAX_NODES, NumaSegment, parse, ranges

Answer = TypeVar("Answer")


@attrs.frozen
class Policy:
    """Where Linux takes the memory that a thread touches first."""

    mode: int
    """Number of the kernel's mode, its flags included."""
    nodes: frozenset[int]
    """Nodes that the mode is about."""

    @classmethod
    def on(cls, nodes: Collection[int]) -> Policy:
        """Memory of one node while it has any, or taken in turn from each of several."""
        return cls(_PREFERRED if len(nodes) == 1 else _INTERLEAVE, frozenset(nodes))


class Kernel(Protocol):
    """What is asked of the operating system, each time for the calling thread. Every method raises OSError."""

    def affinity(self) -> frozenset[int]:
        """Cores that the thread may run on."""

    def set_affinity(self, cores: Collection[int]) -> None:
        """Let it run on these only."""

    def policy(self) -> Policy:
        """Its memory policy."""

    def set_policy(self, policy: Policy) -> None:
        """Change its memory policy. Threads that it starts later inherit both."""


class Placement:
    """The nodes of one NUMA string. Callable from any thread.

    A runner with one worker for each GPU binds each with ``placement.bind_thread(placement.node_of(gpu))``.
    """

    def __init__(
        self,
        segments: tuple[NumaSegment, ...],
        tell: Callable[[str], None] | None = None,
        kernel: Kernel | None = None,
    ) -> None:
        """Nothing is bound yet.

        Args:
            segments: of the string; none binds nothing.
            tell: told, once for each reason, what the kernel refuses; absent: the log.
            kernel: in place of this machine's.
        """
        self._cores = {node: segment.cpus for node, segment in enumerate(segments) if segment.cpus}
        self._node_of = {gpu: node for node, segment in enumerate(segments) for gpu in segment.gpus}
        self._tell = tell or _log
        self._told: set[str] = set()
        self._kernel = kernel or Linux()

    @classmethod
    def of(cls, numa_config: str | None, tell: Callable[[str], None] | None = None) -> Placement:
        """The placement by ``runtime.numa_config``, which the schema has checked."""
        return cls(parse(numa_config or ""), tell)

    @property
    def nodes(self) -> tuple[int | None, ...]:
        """Nodes to spread workers over, ascending; only None, on which nothing is bound, where no node has cores."""
        return tuple(self._cores) or (None,)

    def cores(self, node: int | None) -> int:
        """Cores for the workers on a node of ``nodes``."""
        return usable_cores() if node is None else len(self._cores[node])

    def node_of(self, gpu: int) -> int | None:
        """The node of a GPU, by CUDA's number; None where the string does not name it."""
        return self._node_of.get(gpu)

    def bind_thread(self, node: int | None) -> None:
        """Keep the calling thread, and the memory that it touches first, on a node for good; None leaves it free."""
        if node is None:
            return
        self._set_cores(self._cores[node])
        self._set_policy(Policy.on([node]))
        cores = self._ask("tell the cores of a thread", self._kernel.affinity)
        if cores is not None:
            _log(f"Thread {threading.current_thread().name} is of NUMA node {node} and runs on cores {ranges(cores)}.")

    @contextmanager
    def bound(self, node: int | None) -> Iterator[None]:
        """Within, the calling thread is bound as by ``bind_thread``; threads that an engine starts inherit it."""
        before = None if node is None else self._ask("tell the cores of a thread", self._kernel.affinity)
        if node is None or before is None:
            yield
            return
        with self.memory(node):
            self._set_cores(self._cores[node])
            try:
                yield
            finally:
                self._set_cores(before)

    @contextmanager
    def memory(self, node: int | None = None) -> Iterator[None]:
        """Within, memory that the calling thread touches first lies on ``node``; without one, on all nodes in turn."""
        nodes = self._cores if node is None else (node,)
        before = self._ask(_PLACE_MEMORY, self._kernel.policy) if nodes else None
        if before is None:
            yield
            return
        self._set_policy(Policy.on(nodes))
        try:
            yield
        finally:
            self._set_policy(before)

    def _set_cores(self, cores: Collection[int]) -> None:
        self._ask(f"keep a thread on cores {ranges(cores)}", lambda: self._kernel.set_affinity(cores))

    def _set_policy(self, policy: Policy) -> None:
        self._ask(_PLACE_MEMORY, lambda: self._kernel.set_policy(policy))

    def _ask(self, what: str, call: Callable[[], Answer]) -> Answer | None:
        """What the kernel answers; None, and a note, where it refuses."""
        try:
            return call()
        except OSError as error:
            note = f"runtime.numa_config is not kept to: the kernel does not {what} ({error.strerror}).{_cure(error)}"
            if note not in self._told:
                self._told.add(note)
                self._tell(note)
            return None


class Linux:
    """The Kernel of this machine, where that is Linux; any other refuses everything."""

    def __init__(self) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None
        self._numbers = _SYSCALLS.get(platform.machine())

    def affinity(self) -> frozenset[int]:
        return frozenset(os.sched_getaffinity(0)) if self._libc else _refuse()

    def set_affinity(self, cores: Collection[int]) -> None:
        if self._libc is None:
            _refuse()
        os.sched_setaffinity(0, cores)

    def policy(self) -> Policy:
        mode, nodes = ctypes.c_int(), _Nodes()
        self._call("get_mempolicy", ctypes.byref(mode), nodes, _NODES_SIZE, ctypes.c_void_p(), ctypes.c_ulong(0))
        return Policy(mode.value, frozenset(node for node in range(MAX_NODES) if nodes[node // 8] >> node % 8 & 1))

    def set_policy(self, policy: Policy) -> None:
        nodes = _Nodes()
        for node in policy.nodes:
            nodes[node // 8] |= 1 << node % 8
        self._call("set_mempolicy", ctypes.c_int(policy.mode), nodes, _NODES_SIZE)

    def _call(self, name: str, *arguments: object) -> None:
        if self._libc is None or self._numbers is None:
            _refuse()
        if self._libc.syscall(ctypes.c_long(self._numbers[name]), *arguments) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))


_PREFERRED, _INTERLEAVE = 1, 3
"""MPOL_PREFERRED and MPOL_INTERLEAVE, of linux/mempolicy.h."""

_SYSCALLS = {
    "x86_64": {"set_mempolicy": 238, "get_mempolicy": 239},
    "aarch64": {"set_mempolicy": 237, "get_mempolicy": 236},
}
"""Numbers of the system calls, for which C libraries have no functions."""

# Bytes serve as the kernel's words of bits, since both architectures are little-endian.
_Nodes = ctypes.c_ubyte * (MAX_NODES // 8)
# The kernel reads one bit less than it is told.
_NODES_SIZE = ctypes.c_ulong(MAX_NODES + 1)

_PLACE_MEMORY = "place memory on nodes"


def _refuse() -> NoReturn:
    raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))


def _cure(error: OSError) -> str:
    return " Give the container the capability SYS_NICE." if error.errno == errno.EPERM else ""


def _log(line: str) -> None:
    # The child's stderr is the log of its test.
    print(line, file=sys.stderr, flush=True)

"""Which way scattered samples come into a batch: measured beside the execution of batches, where they compete with it.

Copies one by one keep the copy engine and a CPU thread busy, a kernel takes multiprocessors from the engine: what is
best depends on the size of a sample, the bus and the network.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import attrs

from harness.backends.tensorrt.device import Device, Way
from mlperf_registry.schema.problem import RunFailed

VECTOR = 16
"""Bytes that a thread of the kernel copies at once."""

# Block (x, y) copies part x of row y; a row's slot is read by every block of it, 8 bytes of many thousand.
PTX = b"""
.version 6.4
.target sm_70
.address_size 64

.visible .entry gather(
    .param .u64 param_to,
    .param .u64 param_source,
    .param .u64 param_slots,
    .param .u32 param_vectors)
{
    .reg .pred %done;
    .reg .b32 %block, %size, %thread, %vector, %vectors, %row, %a, %b, %c, %d;
    .reg .b64 %to, %source, %slots, %slot, %at, %row_bytes, %offset;

    ld.param.u32 %vectors, [param_vectors];
    mov.u32 %block, %ctaid.x;
    mov.u32 %size, %ntid.x;
    mov.u32 %thread, %tid.x;
    mad.lo.u32 %vector, %block, %size, %thread;
    setp.ge.u32 %done, %vector, %vectors;
    @%done ret;

    ld.param.u64 %to, [param_to];
    ld.param.u64 %source, [param_source];
    ld.param.u64 %slots, [param_slots];
    cvta.to.global.u64 %to, %to;
    cvta.to.global.u64 %source, %source;
    cvta.to.global.u64 %slots, %slots;

    mov.u32 %row, %ctaid.y;
    mul.wide.u32 %at, %row, 8;
    add.u64 %at, %slots, %at;
    ld.global.u64 %slot, [%at];

    mul.wide.u32 %row_bytes, %vectors, 16;
    mul.wide.u32 %offset, %vector, 16;

    mul.lo.u64 %at, %slot, %row_bytes;
    add.u64 %at, %at, %offset;
    add.u64 %source, %source, %at;

    cvt.u64.u32 %at, %row;
    mul.lo.u64 %at, %at, %row_bytes;
    add.u64 %at, %at, %offset;
    add.u64 %to, %to, %at;

    ld.global.v4.u32 {%a, %b, %c, %d}, [%source];
    st.global.v4.u32 [%to], {%a, %b, %c, %d};
    ret;
}
\0"""
"""The gather kernel, which the driver compiles for the GPU that is there."""


@attrs.frozen
class Choice:
    """A way to gather, and why."""

    way: Way
    why: str
    """A sentence."""


def choose(
    device: Device,
    wanted: str,
    row_bytes: Sequence[int],
    seconds_of: Callable[[Way], float],
    batch: int,
    *,
    whole_graphs: bool = False,
) -> Choice:
    """Take the way that the config names, or the fastest of those that work here.

    Args:
        device: where batches are formed.
        wanted: ``backend.options.gather``.
        row_bytes: size of a sample in each input.
        seconds_of: gathers and executes some batches in a way; seconds for each batch. Raises RunFailed.
        batch: samples in such a batch.
        whole_graphs: whether graphs may hold a batch's whole way: it has one stream, and graphs are wanted.

    Raises:
        RunFailed: when the way that the config names does not work here, or none does.
    """
    lacking = {}
    if device.lacking:
        lacking.update({way: device.lacking for way in ("copies", "batch", "kernel") if way not in device.ways})
    if any(size % VECTOR for size in row_bytes):
        lacking["kernel"] = f"The kernel copies {VECTOR} bytes at once, and samples have {row_bytes[0]}."
    ways = [way for way in device.ways if way != "graph" or (whole_graphs and "kernel" not in lacking)]
    if wanted != "auto":
        for way in ways:
            if way == wanted and way not in lacking:
                return Choice(way, f"Batches are gathered by {way}, as backend.options.gather says.")
        alone = "It needs runtime.use_graphs, and a scenario of one query at a time."
        lacking.setdefault("graph", lacking.get("kernel", alone))
        reason = lacking.get(wanted, "This device does not offer it.")
        raise RunFailed(f"backend.options.gather={wanted} does not work here. {reason} Leave it at auto.")
    measured: dict[Way, float] = {}
    for way in ways:
        if way in lacking:
            continue
        try:
            measured[way] = seconds_of(way)
        except RunFailed as error:
            if device.broken():
                raise
            lacking[way] = str(error)
    if not measured:
        raise RunFailed(f"Samples cannot be gathered on GPU {device.number}. {' '.join(lacking.values())}")
    best = min(measured, key=lambda way: measured[way])
    times = ", ".join(f"{way} {1000 * seconds:.3f}" for way, seconds in measured.items())
    reasons = " ".join(dict.fromkeys(lacking.values()))
    return Choice(
        best, f"Batches are gathered by {best}: ms for each batch of {batch} samples: {times}. {reasons}".rstrip()
    )

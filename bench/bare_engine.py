"""The engine and nothing else: batches that lie on the GPU, enqueued without a pause, or one at a time for its latency.

``python -m bench.bare_engine`` measures in a process of its own, with none of the runner's code, and prints JSON.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import numpy.typing as npt
from cuda.bindings import runtime

from bench.gpu_cell import exactly
from harness.backends.tensorrt.inputs import prepare
from harness.backends.tensorrt.library import open_library
from harness.backends.tensorrt.plan import Plan, open_plan
from mlperf_registry import plugins
from mlperf_registry.execute.engine import cached
from mlperf_registry.execute.scratch import scratch

WARM_UP_SECONDS = 2.0
IN_FLIGHT = 3
"""Batches of a stream that may wait for the GPU: it never has none, and the loop ends soon after its time."""
PERCENTILES = (50, 90, 99)
KINDS = ("enqueued", "graphs")

Array = npt.NDArray[np.generic]


def ask(answer: tuple[Any, ...]) -> Any:
    """The value of a CUDA call's answer.

    Raises:
        RuntimeError: when it is an error.
    """
    error, *values = answer
    if int(error) != 0:
        _, name = runtime.cudaGetErrorName(error)
        _, text = runtime.cudaGetErrorString(error)
        raise RuntimeError(f"{name.decode()}: {text.decode()}")
    return values[0] if len(values) == 1 else tuple(values)


Do = Callable[[], None]


@attrs.frozen(eq=False, kw_only=True)
class Stream:
    """A stream with an execution context and a batch of its own; each of the three puts one batch on it."""

    handle: int
    enqueue: Do
    """Kernel by kernel, by the library."""
    graph: Do
    """As one CUDA graph."""
    graph_with_copies: Do
    """A graph that also brings the batch from pinned memory, and takes the answer there."""
    events: tuple[Any, ...]

    def wait(self) -> None:
        """Until all that was launched is done."""
        ask(runtime.cudaStreamSynchronize(self.handle))


def open_stream(plan: Plan, profile: int, batch: int, images: Array) -> Stream:
    """A stream whose context has its input on the GPU.

    Args:
        plan: the engine.
        profile: the optimisation profile, which no other stream uses.
        batch: samples of each execution.
        images: [batch, ...], as the plan takes them.
    """
    stream = int(ask(runtime.cudaStreamCreateWithFlags(runtime.cudaStreamNonBlocking)))
    context = plan.context(profile, stream)
    ask(runtime.cudaStreamSynchronize(stream))
    sizes = {tensor.name: batch * tensor.row_bytes for tensor in plan.tensors}
    device = {name: int(ask(runtime.cudaMalloc(size))) for name, size in sizes.items()}
    host = {name: int(ask(runtime.cudaMallocHost(size))) for name, size in sizes.items()}
    for name, address in device.items():
        context.bind(name, address)
    context.set_batch(batch)
    (source,) = (tensor.name for tensor in plan.inputs)
    if images.nbytes != sizes[source] or not images.flags.c_contiguous:
        raise RuntimeError(f"The samples have {images.nbytes} bytes, and a batch of the engine {sizes[source]}.")
    kinds = runtime.cudaMemcpyKind
    ask(runtime.cudaMemcpy(host[source], images.ctypes.data, sizes[source], kinds.cudaMemcpyHostToHost))
    ask(runtime.cudaMemcpy(device[source], host[source], sizes[source], kinds.cudaMemcpyHostToDevice))
    ask(runtime.cudaDeviceSynchronize())

    def enqueue() -> None:
        context.enqueue(stream)

    def with_copies() -> None:
        to_device, to_host = kinds.cudaMemcpyHostToDevice, kinds.cudaMemcpyDeviceToHost
        ask(runtime.cudaMemcpyAsync(device[source], host[source], sizes[source], to_device, stream))
        context.enqueue(stream)
        for tensor in plan.outputs:
            ask(runtime.cudaMemcpyAsync(host[tensor.name], device[tensor.name], sizes[tensor.name], to_host, stream))

    enqueue()  # what a context does only once must not be captured
    ask(runtime.cudaStreamSynchronize(stream))
    return Stream(
        handle=stream,
        enqueue=enqueue,
        graph=_captured(enqueue, stream),
        graph_with_copies=_captured(with_copies, stream),
        events=tuple(ask(runtime.cudaEventCreateWithFlags(runtime.cudaEventDisableTiming)) for _ in range(IN_FLIGHT)),
    )


def _captured(execute: Do, stream: int) -> Do:
    ask(runtime.cudaStreamBeginCapture(stream, runtime.cudaStreamCaptureMode.cudaStreamCaptureModeThreadLocal))
    execute()
    graph = ask(runtime.cudaGraphInstantiate(ask(runtime.cudaStreamEndCapture(stream)), 0))

    def launch() -> None:
        ask(runtime.cudaGraphLaunch(graph, stream))

    return launch


def rate(streams: Sequence[Stream], batch: int, seconds: float, *, graphs: bool) -> float:
    """Samples/s over about ``seconds``, all streams side by side."""
    launches = [stream.graph if graphs else stream.enqueue for stream in streams]
    for stream in streams:
        stream.wait()
    launched = 0
    begun = time.perf_counter()
    end = begun + seconds
    while time.perf_counter() < end:
        turn = launched % IN_FLIGHT
        for stream, launch in zip(streams, launches, strict=True):
            if launched >= IN_FLIGHT:
                ask(runtime.cudaEventSynchronize(stream.events[turn]))
            launch()
            ask(runtime.cudaEventRecord(stream.events[turn], stream.handle))
        launched += 1
    for stream in streams:
        stream.wait()
    return launched * len(streams) * batch / (time.perf_counter() - begun)


def latencies(stream: Stream, launch: Do, seconds: float) -> dict[str, float]:
    """Percentiles, in us, of one batch after another, from its launch until the host sees it done."""
    taken = []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        begun = time.perf_counter_ns()
        launch()
        stream.wait()
        taken.append(time.perf_counter_ns() - begun)
    return {f"p{percentile}": float(np.percentile(taken, percentile)) / 1000 for percentile in PERCENTILES}


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point of the process."""
    parser = argparse.ArgumentParser(prog="python -m bench.bare_engine", description=__doc__)
    parser.add_argument("--build-dir", type=Path, required=True, help="where the engine is, which must be built")
    parser.add_argument("--seconds", type=float, default=10.0, help="of each measurement; %(default)s unless given")
    parser.add_argument("--streams", type=int, nargs="+", default=[1], metavar="N", help="contexts side by side")
    parser.add_argument(
        "--kinds", nargs="+", choices=KINDS, default=KINDS, help="how batches are launched; by default both"
    )
    parser.add_argument("--batch", type=int, help="samples of each execution; by default the engine's most")
    parser.add_argument("--latency", action="store_true", help="one batch after another, not as many as go")
    parser.add_argument("overrides", nargs="*", help="all of the cell's, as for mlperf run")
    asked = parser.parse_args(arguments)
    cell = exactly(asked.overrides)
    ask(runtime.cudaSetDeviceFlags(runtime.cudaDeviceScheduleSpin))
    ask(runtime.cudaSetDevice(0))
    engine = cached(cell, asked.build_dir)
    plan = open_plan(engine, open_library(cell.backend.name), plugins=cell.builder.plugin_libraries)
    batch = asked.batch or plan.max_batch
    dataset = plugins.open_dataset(cell, scratch())
    drawn = min(batch, len(dataset), 256)
    (images,) = prepare(engine)(dataset.load(np.arange(drawn))).values()
    assert isinstance(images, np.ndarray)
    images = np.ascontiguousarray(np.tile(images, (math.ceil(batch / drawn), *[1] * (images.ndim - 1)))[:batch])
    print(json.dumps(_measure(plan, batch, images, asked)))
    return 0


def _measure(plan: Plan, batch: int, images: Array, asked: argparse.Namespace) -> dict[str, Any]:
    figures: dict[str, Any] = {"batch": batch, "static_batch": plan.static_batch}
    if asked.latency:
        stream = open_stream(plan, 0, batch, images)
        for name in ("enqueue", "graph", "graph_with_copies"):
            latencies(stream, getattr(stream, name), WARM_UP_SECONDS)
            figures[f"{name}_us"] = latencies(stream, getattr(stream, name), asked.seconds)
        return figures
    counts = sorted({min(count, plan.profiles) for count in asked.streams})
    streams = [open_stream(plan, profile, batch, images) for profile in range(counts[-1])]
    rates = {}
    for count in counts:
        for kind in asked.kinds:
            graphs = kind == "graphs"
            rate(streams[:count], batch, WARM_UP_SECONDS, graphs=graphs)
            found = rate(streams[:count], batch, asked.seconds, graphs=graphs)
            rates[f"{count} {kind}"] = found
            print(f"bare, batch {batch}, {count} streams, {kind}: {found:,.0f} samples/s", file=sys.stderr, flush=True)
    figures["samples_per_second"] = rates
    return figures


if __name__ == "__main__":
    sys.exit(main())

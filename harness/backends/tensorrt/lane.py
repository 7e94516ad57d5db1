"""Lane: the way of one batch through a GPU, with buffers of its own: in, executed, out, and an event at the end.

Lanes overlap: while one executes, another's samples are copied. Those of one context take turns on its stream.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import attrs
import numpy as np
import numpy.typing as npt

from harness.backends.tensorrt.device import GATHERS, Device, Do, Executor, Step, Steps, Waiting, Way
from harness.backends.tensorrt.record import PlanTensor
from mlperf_registry.schema.problem import RunFailed

ALIGNMENT = 256
"""Of addresses that the engine libraries take."""
WRITTEN_TO_HOST = 4096
"""Most bytes of a sample's answer that the engine itself writes to host memory, where one batch goes at a time: a copy
of its own would take longer than so few bytes take on the bus."""

Slots = npt.NDArray[np.int64]


def ladder(largest: int) -> tuple[int, ...]:
    """Batch sizes that graphs are captured for, ascending, the largest last.

    A batch is filled up to the next one, so steps are small: a quarter more than the size before, or one.
    """
    sizes = [1]
    while sizes[-1] < largest:
        sizes.append(min(largest, max(sizes[-1] + 1, sizes[-1] * 5 // 4)))
    return tuple(sizes)


@attrs.define(eq=False)
class Engine:
    """An execution context and the stream on which it executes; several lanes may take turns on it."""

    executor: Executor
    stream: int
    bound: tuple[int, ...] = ()
    """Addresses of the inputs and outputs that the context was told last."""


@attrs.frozen(kw_only=True)
class Tensors:
    """What a batch consists of."""

    inputs: tuple[PlanTensor, ...]
    outputs: tuple[PlanTensor, ...]
    reported: PlanTensor
    """The output that goes to the harness."""
    max_batch: int
    static_batch: bool
    """Whether the plan executes no smaller batch."""


class Lane:
    """Buffers, copy stream and events for one batch at a time. One thread at a time calls its methods."""

    def __init__(
        self, device: Device, engine: Engine, tensors: Tensors, *, one_stream: bool, waiting: Waiting, number: int = 0
    ) -> None:
        """Reserve what a batch needs.

        Args:
            device: the calling thread's.
            engine: what executes the batch.
            tensors: of the plan.
            one_stream: copy on the stream that executes: no overlap, and no waiting of one stream for another.
            waiting: how ``collect`` waits.
            number: among the lanes of the device.

        Raises:
            RunFailed: when memory is short.
        """
        self.number = number
        self.engine = engine
        self._device = device
        self._tensors = tensors
        self._waiting = waiting
        self._graphs: dict[int, int] = {}
        self._whole: dict[int, Steps] = {}
        """For each size the launch of a batch's whole way as one graph, from samples to answers, and the event; empty
        unless batches are gathered so."""
        self._kernel: int | None = None
        """What gathers in these."""
        self._sizes = np.zeros(tensors.max_batch + 1, np.int64)
        """Samples executed for a batch of so many; set once graphs are captured."""
        largest = tensors.max_batch
        memory = partial(device.allocate, cure="builder.gpu_batch_size or runtime.gpu_copy_streams")
        self._inputs = tuple(
            memory(largest * tensor.row_bytes, f"input {tensor.name}, batches of {largest}")
            for tensor in tensors.inputs
        )
        self._outputs = tuple(
            memory(largest * tensor.row_bytes, f"output {tensor.name}, batches of {largest}")
            for tensor in tensors.outputs
        )
        reported = tensors.reported
        raw = device.pinned(largest * reported.row_bytes, "results")
        self._result: npt.NDArray[np.generic] = raw.view(reported.dtype).reshape(largest, *reported.row_shape)
        self._slots: Slots = device.pinned(largest * 8, "the order of samples").view(np.int64)
        self.slots = self._slots.data
        """The slots of the next batch's samples; one element goes into it quicker than into an array."""
        self.copy_stream = engine.stream if one_stream else device.stream()
        copied, executed = (0, 0) if one_stream else (device.event(), device.event())
        self._done = device.event(waiting)
        # Pinned memory has one address for CPU and GPU, so the copy loop and the kernel read the same slots.
        gathers = [
            Step(
                do=Do.GATHER_COPIES,
                stream=self.copy_stream,
                to=address,
                slots=device.address_of(self._slots),
                row_bytes=tensor.row_bytes,
            )
            for address, tensor in zip(self._inputs, tensors.inputs, strict=True)
        ]
        launch = Step(do=Do.LAUNCH, stream=engine.stream)
        back = Step(
            do=Do.COPY,
            stream=self.copy_stream,
            source=self._outputs[tensors.outputs.index(reported)],
            to=device.address_of(raw),
            row_bytes=reported.row_bytes,
        )
        done = Step(do=Do.RECORD, stream=self.copy_stream, object=self._done)
        before, after = [], []
        if not one_stream:
            before = [
                Step(do=Do.RECORD, stream=self.copy_stream, object=copied),
                Step(do=Do.WAIT, stream=engine.stream, object=copied),
            ]
            after = [
                Step(do=Do.RECORD, stream=engine.stream, object=executed),
                Step(do=Do.WAIT, stream=self.copy_stream, object=executed),
            ]
        self._way_in = Steps(*gathers, *before)
        self._way_out = Steps(*after, back, done)
        self._host_outputs = tuple(
            device.address_of(raw) if tensor is reported and tensor.row_bytes <= WRITTEN_TO_HOST else address
            for tensor, address in zip(tensors.outputs, self._outputs, strict=True)
        )
        """Where the engine writes in a graph of a batch's whole way."""
        self._way = Steps(*gathers, *before, launch, *after, back, done)
        # What changes from batch to batch.
        self._rows_in = [self._way_in.array[number] for number in range(len(gathers))]
        self._rows = [self._way.array[number] for number in range(len(gathers))]
        self._launch = self._way.array[len(gathers) + len(before)]
        self._in_one = (launch, done)
        self._backs = [steps.array[len(steps) - 2] for steps in (self._way, self._way_out)]
        self._sources: tuple[int, ...] = ()
        self._in_place = False

    def gather_by(self, way: Way, kernel: int) -> None:
        """Gather in another way from the next batch on; ``graph`` where ``capture`` has been called.

        Raises:
            RunFailed: when a batch's whole way does not let itself be captured.
        """
        self._kernel = kernel if way == "graph" else None
        self._capture_whole()
        for step in (*self._rows_in, *self._rows):
            step.do, step.object = GATHERS[way], kernel

    def take_from(self, sources: Sequence[int], *, in_place: bool) -> None:
        """Where the samples of each input lie from now on.

        Args:
            sources: address of slot 0, for each input.
            in_place: whether the engine can read them there, so that neighbours need no copy.

        Raises:
            RunFailed: when a batch's whole way does not let itself be captured.
        """
        self._sources = tuple(sources)
        self._in_place = in_place and not self._graphs
        for steps in (self._rows_in, self._rows):
            for step, source in zip(steps, sources, strict=True):
                step.source = source
        self._capture_whole()

    def capture(self) -> None:
        """Capture a graph for each size of the ladder; odd batches are filled up from then on.

        Raises:
            RunFailed: when the library does not let itself be captured.
        """
        largest = self._tensors.max_batch
        sizes = (largest,) if self._tensors.static_batch else ladder(largest)
        for size in sizes:
            self._graphs[size] = self._captured(
                size, self._outputs, partial(self.engine.executor.enqueue, self.engine.stream)
            )
        self._sizes[1:] = np.asarray(sizes)[np.searchsorted(sizes, np.arange(1, largest + 1))]

    def _captured(self, size: int, outputs: tuple[int, ...], work: Callable[[], None]) -> int:
        # An execution outside of capture first: the library finishes its preparations for a shape in it.
        self._execute(size, self._inputs, outputs)
        self._device.synchronize(self.engine.stream)
        return self._device.capture(self.engine.stream, work)

    def _capture_whole(self) -> None:
        """Capture the whole way anew: where samples lie is part of it."""
        device, stream = self._device, self.engine.stream
        while self._whole:
            device.discard(self._whole.popitem()[1].array[0].object)
        if self._kernel is None:
            return
        for size in self._graphs:
            into = Steps(*map(Step.from_buffer_copy, self._rows))
            for step, source in zip(into.array, self._sources, strict=True):
                step.do, step.object, step.source, step.rows = Do.KERNEL, self._kernel, source, size
            back = Steps(*(Step.from_buffer_copy(self._backs[0]),) if self._outputs == self._host_outputs else ())
            for step in back.array:
                step.rows = size

            def work(into: Steps = into, back: Steps = back) -> None:
                device.run(into)
                self.engine.executor.enqueue(stream)
                device.run(back)

            steps = Steps(*map(Step.from_buffer_copy, self._in_one))
            steps.array[0].object = self._captured(size, self._host_outputs, work)
            self._whole[size] = steps

    def give_up_graphs(self) -> None:
        """Execute without graphs after all."""
        self._graphs.clear()

    def enqueue(self, slots: Slots) -> None:
        """Put a batch on its way; at most one until ``collect`` has returned.

        Args:
            slots: of the samples, shape [n], n from 1 to the plan's largest batch.

        Raises:
            RunFailed: when CUDA or the library refuses.
        """
        count = len(slots)
        self._slots[:count] = slots
        self.begin(count)

    def begin(self, count: int) -> None:
        """The same for the first ``count`` samples of ``slots``.

        Raises:
            RunFailed: as ``enqueue``.
        """
        if self._whole:
            size = int(self._sizes[count])
            if size > count:
                self._slots[count:size] = self._slots[count - 1]
            self._device.run(self._whole[size])
            return
        if self._graphs:
            for step in self._rows:
                step.rows = count
            self._launch.object = self._graphs[int(self._sizes[count])]
            self._backs[0].rows = count
            self._device.run(self._way)
            return
        size = self._tensors.max_batch if self._tensors.static_batch else count
        if not (self._in_place and size == count and self._execute_in_place(self._slots[:count])):
            for step in self._rows_in:
                step.rows = count
            self._device.run(self._way_in)
            self._execute(size, self._inputs)
        self._backs[1].rows = count
        self._device.run(self._way_out)

    def end(self, count: int) -> npt.NDArray[np.generic]:
        """Wait for the batch, and return its results, shape [count, ...], which stay until the next one.

        Raises:
            RunFailed: when the batch was not executed.
        """
        self._device.wait(self._done, self._waiting)
        return self._result[:count]

    def collect(self, count: int) -> npt.NDArray[np.generic]:
        """The same, but the results are the caller's own.

        Raises:
            RunFailed: as ``end``.
        """
        results: npt.NDArray[np.generic] = self.end(count).copy()
        return results

    def settle(self) -> None:
        """Wait until nothing of this lane is on a stream, after ``enqueue`` failed half-way."""
        self._device.synchronize(self.copy_stream)
        self._device.synchronize(self.engine.stream)

    def _execute_in_place(self, slots: Slots) -> bool:
        first, count = int(slots[0]), len(slots)
        if int(slots[-1]) - first != count - 1 or not bool((np.diff(slots) == 1).all()):
            return False
        addresses = tuple(
            source + first * tensor.row_bytes
            for source, tensor in zip(self._sources, self._tensors.inputs, strict=True)
        )
        if any(address % ALIGNMENT for address in addresses):
            return False
        self._execute(count, addresses)
        return True

    def _execute(self, size: int, inputs: tuple[int, ...], outputs: tuple[int, ...] = ()) -> None:
        engine, executor = self.engine, self.engine.executor
        bound = (*inputs, *(outputs or self._outputs))
        if engine.bound != bound:
            engine.bound = ()
            tensors = (*self._tensors.inputs, *self._tensors.outputs)
            for tensor, address in zip(tensors, bound, strict=True):
                executor.bind(tensor.name, address)
            engine.bound = bound
        executor.set_batch(size)
        executor.enqueue(engine.stream)


def only_output(outputs: Sequence[PlanTensor], name: str | None) -> PlanTensor:
    """The output that the config names, or the only one.

    Raises:
        RunFailed: when there is none of the name, or several and no name.
    """
    for output in outputs:
        if output.name == name or (name is None and len(outputs) == 1):
            return output
    if len(outputs) == 1:
        return outputs[0]
    there = ", ".join(output.name for output in outputs)
    given = "not set" if name is None else repr(name)
    raise RunFailed(f"model.output_name is {given}, and the plan has {there}: set it to one of these.")

"""A plan that is loaded onto the GPU: its tensors, and the execution contexts that runners enqueue batches with.

Every call's answer is looked at: the library says False, or None, where others raise.
"""

from __future__ import annotations

import ctypes
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import attrs

from harness.backends.tensorrt.gpu import Gpu, device_memory, require_gpu
from harness.backends.tensorrt.library import Library
from harness.backends.tensorrt.record import PlanRecord, PlanTensor, read_record
from mlperf_registry.roots import readable
from mlperf_registry.schema.engine import Engine
from mlperf_registry.schema.problem import NotReady, RunFailed

_SHORT_OF_MEMORY = re.compile(r"out ?of ?memory|requested (size|amount)|insufficient (device )?memory", re.I)
_GIVES_PLUGINS = ("getCreators", "getPluginCreators")
_MIB = 1 << 20


class Context:
    """An execution context: one batch at a time, on any stream. Not to be used by two threads at once."""

    def __init__(self, plan: Plan, raw: Any) -> None:
        self._plan = plan
        self._raw = raw
        self._batch: int | None = None

    def bind(self, name: str, address: int) -> None:
        """Say where a tensor's batch lies in device memory; CUDA graphs captured before keep the old address.

        Raises:
            RunFailed: when the library refuses the address.
        """
        if not self._raw.set_tensor_address(name, address):
            raise self._plan.library.failed(f"does not take an address for {name}")

    def set_batch(self, count: int) -> None:
        """Say how many samples the next executions have; costs little where the number stays.

        Raises:
            RunFailed: when the plan is not made for so many.
        """
        plan = self._plan
        if count == self._batch:
            return
        if not 1 <= count <= plan.max_batch or (plan.static_batch and count != plan.max_batch):
            allowed = f"exactly {plan.max_batch}" if plan.static_batch else f"1 to {plan.max_batch}"
            raise RunFailed(f"A batch of {count} samples: the plan takes {allowed}. Set {plan.record.batch_field}.")
        if not plan.static_batch:
            for tensor in plan.inputs:
                if not self._raw.set_input_shape(tensor.name, (count, *tensor.shape)):
                    raise plan.library.failed(f"does not take a batch of {count} for {tensor.name}")
        self._batch = count

    def enqueue(self, stream: int) -> None:
        """Put one execution on a CUDA stream, given as its handle; it may be captured into a graph.

        Raises:
            RunFailed: when the library refuses: nothing was executed then.
        """
        if not self._raw.execute_async_v3(stream):
            raise self._plan.library.failed("did not enqueue a batch")


@attrs.frozen(kw_only=True, eq=False)
class Plan:
    """A plan on one GPU. Its contexts keep what they need of it alive."""

    library: Library
    engine: Any
    """The library's ICudaEngine; the runtime that made it is kept beside, since it must outlive it."""
    runtime: Any
    record: PlanRecord

    @property
    def tensors(self) -> tuple[PlanTensor, ...]:
        """Inputs and outputs."""
        return self.record.tensors

    @property
    def inputs(self) -> tuple[PlanTensor, ...]:
        """In the network's order."""
        return self.record.inputs

    @property
    def outputs(self) -> tuple[PlanTensor, ...]:
        """In the network's order."""
        return self.record.outputs

    @property
    def max_batch(self) -> int:
        """Most samples of one execution."""
        return self.record.max_batch

    @property
    def static_batch(self) -> bool:
        """Whether every execution has exactly ``max_batch`` samples."""
        return self.record.static_batch

    @property
    def profiles(self) -> int:
        """How many contexts may run side by side, each with a profile of its own."""
        return self.record.profiles

    def context(self, profile: int, stream: int) -> Context:
        """An execution context of a profile that no other context uses.

        Args:
            profile: from 0, less than ``profiles``.
            stream: handle of a CUDA stream on which the profile is chosen; wait for it before the first execution.

        Raises:
            RunFailed: when the plan has no such profile, or device memory does not suffice.
        """
        if not 0 <= profile < self.profiles:
            raise RunFailed(
                f"The plan has {self.profiles} optimisation profiles, and one for each inference stream is needed: "
                "build it again with the runtime.gpu_inference_streams of the run."
            )
        raw = self.engine.create_execution_context()
        if raw is None:
            raise _failed(
                self.library,
                "made no execution context",
                "each context takes",
                activation_bytes(self.engine),
                f"lower {self.record.batch_field} or runtime.gpu_inference_streams",
            )
        # Several contexts on one profile fail at each enqueue in 8.6, and only the first gets its profile by itself.
        if not raw.set_optimization_profile_async(profile, stream):
            raise self.library.failed(f"does not give a context the optimisation profile {profile}")
        return Context(self, raw)


def open_plan(engine: Engine, library: Library, *, gpu: int = 0, plugins: Iterable[str] = ()) -> Plan:
    """Load a plan onto the current CUDA device.

    Args:
        engine: what the builder made.
        library: the one that built it.
        gpu: CUDA index of the current device, to compare with the one that the plan was built for.
        plugins: libraries with layers of the user's that the plan uses.

    Raises:
        NotReady: when the plan is missing, or of another version or GPU.
        RunFailed: when it cannot be loaded.
    """
    path, record = Path(engine.path, engine.file), read_record(engine)
    here = require_gpu(gpu)
    if (record.backend, record.library_version) != (library.name, library.version):
        raise NotReady(
            f"{path} was built by {record.backend} {record.library_version}, and here is {library.name} "
            f"{library.version}: build it here with `mlperf build` and the same overrides."
        )
    _require_device(path, record, here, gpu)
    try:
        serialized = path.read_bytes()
    except OSError as error:
        raise NotReady(f"{path} cannot be read ({error.strerror}): build it with `mlperf build`.") from error
    load_plugins(library, plugins)
    runtime = make_runtime(library, record)
    loaded = runtime.deserialize_cuda_engine(serialized)
    if loaded is None:
        raise _failed(
            library,
            f"cannot load {path}{_validity(library, runtime, serialized)}",
            "the plan takes about",
            len(serialized),
            "end what else uses the GPU (`nvidia-smi` lists it), or lower builder.precision, which shrinks the weights",
        )
    return Plan(library=library, engine=loaded, runtime=runtime, record=record)


def make_runtime(library: Library, record: PlanRecord) -> Any:
    """A Runtime that loads the plan of a record.

    Raises:
        NotReady: when the plan is for a DLA that is not here.
        RunFailed: when the library makes none.
    """
    runtime = library.make("Runtime")
    # Such plans bring code for the processor, the library's own lean runtime, and are built here: that it is trusted
    # must be said. Libraries before 8.6 have no such plans and no such switch.
    if record.version_compatible and hasattr(runtime, "engine_host_code_allowed"):
        runtime.engine_host_code_allowed = True
    if record.dla_core is not None:
        # Libraries without DLAs take any number and do nothing with it, or lack the attributes.
        there = getattr(runtime, "num_DLA_cores", 0)
        if record.dla_core >= there:
            raise NotReady(
                f"The plan is for DLA {record.dla_core}, counted from 0, and {library.title} finds {there} here: set "
                "builder.dla_core to one that is here, or leave it out to use the GPU."
            )
        runtime.DLA_core = record.dla_core
    return runtime


def activation_bytes(loaded: Any) -> int | None:
    """Device memory of one execution context of an ICudaEngine, in bytes; None where the library does not say."""
    # The name without a number is gone in 11; 8.6 has no other.
    size = getattr(loaded, "device_memory_size_v2", None) or getattr(loaded, "device_memory_size", None)
    return None if size is None else int(size)


def _require_device(path: Path, record: PlanRecord, here: Gpu, gpu: int) -> None:
    target = f"compute capability {here.capability}"
    if record.device in (str(here), target):
        return
    if record.device.startswith("compute capability "):
        raise NotReady(
            f"{path} was built for {record.device}, and GPU {gpu} is {here}: build it with "
            f"builder.compute_capability={here.capability}, or here without builder.compute_capability."
        )
    raise NotReady(
        f"{path} was built for {record.device}, and GPU {gpu} is {here}: build it here with `mlperf build` and the "
        "same overrides."
    )


def _failed(library: Library, what: str, takes: str, asked: int | None, cure: str) -> RunFailed:
    """The failure of a call that takes device memory, with what it takes, what is free and the cure if that is why."""
    failure, memory = library.failed(what), device_memory()
    short = memory is not None and asked is not None and asked > memory.free
    if not short and not _SHORT_OF_MEMORY.search(str(failure)):
        return failure
    sizes = [] if asked is None else [f"{takes} {asked / _MIB:,.1f} MiB"]
    sizes += [] if memory is None else [str(memory)]
    return RunFailed(f"{failure} Device memory is short{''.join(f', {size}' for size in sizes)}: {cure}.")


def load_plugins(library: Library, paths: Iterable[str]) -> None:
    """Register NVIDIA's own layers and those of the user's libraries.

    Raises:
        NotReady: when a library is missing, may not be read or does not load.
    """
    trt = library.trt
    trt.init_libnvinfer_plugins(library.logger, "")
    registry = trt.get_plugin_registry()
    for path in paths:
        with readable(Path(path)):
            if not Path(path).is_file():
                wrong = "is no file" if Path(path).exists() else "is not there"
                raise NotReady(f"builder.plugin_libraries names {path}, which {wrong}.")
            Path(path).open("rb").close()
        if registry.load_library(path) is None:
            said = library.logger.take_errors() or _no_plugins(path)
            raise NotReady(f"{library.title} does not load the plug-in library {path}: {said}")


def _no_plugins(path: str) -> str:
    """Why the library took no plug-ins from a file, where it does not say so itself."""
    try:
        opened = ctypes.CDLL(path)
    except OSError as error:
        return f"{error}."
    if any(hasattr(opened, function) for function in _GIVES_PLUGINS):
        return "it does not say why; plug-ins of their names may be there already."
    return f"it has no plug-ins, which it would give out by {' or '.join(_GIVES_PLUGINS)}."


def _validity(library: Library, runtime: Any, serialized: bytes) -> str:
    """Why a plan cannot be used here, where the library says it apart from its errors."""
    if not library.features.engine_validity:
        return ""
    _, diagnostics = runtime.get_engine_validity(serialized)
    return f" ({diagnostics})" if diagnostics else ""

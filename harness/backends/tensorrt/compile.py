"""One build: from a recipe to a plan and its plan.json. Runs in a process of its own, see builder.py."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs

from harness.backends.tell import Tell, silent
from harness.backends.tensorrt import fusion, graph, network, qdq
from harness.backends.tensorrt.build_gpu import is_shared, memory_cure, take_gpu
from harness.backends.tensorrt.calibration import CalibrationCache, read_cache
from harness.backends.tensorrt.gpu import device_memory, require_gpu
from harness.backends.tensorrt.inspection import write_inspection
from harness.backends.tensorrt.library import Library, open_library
from harness.backends.tensorrt.monitor import make_monitor
from harness.backends.tensorrt.network import Form, Request
from harness.backends.tensorrt.plan import load_plugins
from harness.backends.tensorrt.record import RECORD_SCHEMA, PlanRecord, PlanTensor, write_record
from harness.backends.tensorrt.timing import TimingCache
from mlperf_registry.schema.engine import Recipe
from mlperf_registry.schema.problem import ConfigError, NotReady, Problem, RunFailed


def compile_plan(recipe: Recipe, path: Path, report: Tell, tell: Tell = silent) -> None:
    """Write the plan to ``path``, and plan.json beside it.

    Args:
        recipe: what to build.
        path: the plan's file.
        report: told how far the build is, in a few words.
        tell: told, in a sentence, which value of the recipe has no effect.

    Raises:
        ConfigError: for what the library does not build, every problem of a kind at once.
        NotReady: when the library, the GPU, the DLA or the calibration cache is missing, or CUDA's GPU is not the
            recipe's.
        RunFailed: when the network does not parse or the build fails.
    """
    started, folder = time.monotonic(), path.parent
    request = Request.of(recipe.values)
    target = recipe.values.get("builder.compute_capability")
    library = open_library(recipe.backend, on_gpu=target is None)
    if target is not None and not library.features.compute_capability:
        raise _lacks(library, "builder.compute_capability", "builds only for the GPU that is here")
    if recipe.values.get("builder.version_compatible") and not library.features.version_compatible:
        raise _lacks(library, "builder.version_compatible", "builds only for its own version")
    gpu = None
    if target is None:
        gpu = require_gpu(recipe.gpu_index)
        take_gpu(recipe.gpu_index, gpu, recipe.device)
    share = _share(recipe, tell)
    load_plugins(library, recipe.values.get("builder.plugin_libraries") or ())
    report("reading the network")
    model = graph.load(Path(recipe.model_path))
    cache = _calibration(recipe, request, model)
    if gpu is not None and cache is not None and library.features.dynamic_ranges and not request.strongly_typed:
        plugins = fusion.usable(library, recipe.values, gpu.capability)
        for plugin, count in fusion.fuse(model, cache.scales, plugins).items():
            report(f"{count} of NVIDIA's {plugin}")
    form = network.prepare(model, request, library, cache)
    device = f"compute capability {target:.1f}" if gpu is None else str(gpu)
    # The timings lie beside the engines: ``folder`` itself is this build's alone.
    timing = None
    if library.features.timing_cache:
        timing = TimingCache(folder.parent, library, device, request.precision, share)
    plan, tensors = _build(library, recipe, request, form, timing, report)
    path.write_bytes(plan)
    record = PlanRecord(
        schema=RECORD_SCHEMA,
        backend=library.name,
        library_version=library.version,
        device=device,
        precision=request.precision,
        max_batch=request.batch,
        static_batch=request.static_batch,
        profiles=request.profiles,
        version_compatible=bool(recipe.values.get("builder.version_compatible")),
        dla_core=recipe.values.get("builder.dla_core"),
        tensors=tuple(_with_scale(tensor, form.scales) for tensor in tensors),
        seconds=round(time.monotonic() - started, 3),
    )
    write_record(folder, record)
    write_inspection(library, plan, folder)


def _calibration(recipe: Recipe, request: Request, model: Any) -> CalibrationCache | None:
    if request.precision != "int8" or qdq.is_quantised(model):
        return None
    cache = read_cache(recipe.calibration_path)
    cache.require_network(model, str(recipe.calibration_path))
    return cache


def _share(recipe: Recipe, tell: Tell) -> int | None:
    """Share of the GPU's multiprocessors that kernels are timed on, in percent; None for all of them."""
    share: int | None = recipe.values.get("builder.active_sms")
    if share is None or recipe.values.get("builder.compute_capability") is not None:
        return None
    if is_shared(recipe.gpu_index) is not False:
        return share
    tell(
        f"builder.active_sms={share} has no effect on this build: CUDA's multi-process service (MPS) is not running, "
        "so kernels are timed on the whole GPU. Start it with `nvidia-cuda-mps-control -d`, and build again with "
        "builder.force_build_engines=true."
    )
    return None


def _build(
    library: Library, recipe: Recipe, request: Request, form: Form, timing: TimingCache | None, report: Tell
) -> tuple[bytes, list[PlanTensor]]:
    """The serialised plan, and the tensors of its network."""
    while True:
        builder = library.make("Builder")
        _require_dla(library, builder, recipe.values.get("builder.dla_core"))
        # The parser owns weights that the network refers to.
        made, parser = network.parse(library, builder, form, recipe.model_path)
        network.set_tensors(library, made, request, form)
        tensors = _tensors(library, made, request)
        config = builder.create_builder_config()
        _configure(library, config, recipe.values, form)
        network.add_profiles(library, builder, made, config, request)
        monitor = make_monitor(library, report) if library.features.progress_monitor else None
        if monitor is not None:
            config.progress_monitor = monitor
        if timing is not None:
            timing.attach(config)
        library.logger.take_errors()
        report("building")
        plan = builder.build_serialized_network(made, config)
        if plan is not None:
            if timing is not None:
                timing.keep()
            return bytes(plan), tensors
        failure = _failure(library, recipe.values)
        del monitor, config, made, parser, builder
        if timing is None or not timing.used:
            raise failure
        # Seen with TensorRT 8.6: the timings of one int8 build make the next one fail.
        report("building again, without the timings of earlier builds, which the library refused")
        timing.drop()


def _configure(library: Library, config: Any, values: Mapping[str, Any], form: Form) -> None:
    trt, features, flags = library.trt, library.features, library.trt.BuilderFlag
    config.profiling_verbosity = trt.ProfilingVerbosity.DETAILED
    for flag in form.flags:
        config.set_flag(getattr(flags, flag))
    workspace = values.get("builder.workspace_size")
    if workspace is not None:
        config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, workspace)
    level = values.get("builder.optimization_level")
    if level is not None:
        if not features.optimization_level:
            raise _lacks(library, "builder.optimization_level", "has no levels of optimisation")
        config.builder_optimization_level = level
    sources = values.get("builder.tactic_sources") or ()
    if sources:
        _set_tactic_sources(library, config, sources)
    if values.get("builder.version_compatible"):
        config.set_flag(flags.VERSION_COMPATIBLE)
    target = values.get("builder.compute_capability")
    if target is not None:
        _set_target(library, config, target)
    core = values.get("builder.dla_core")
    if core is not None:
        if not features.dla:
            raise _lacks(library, "builder.dla_core", "builds nothing for DLAs")
        config.default_device_type = trt.DeviceType.DLA
        config.DLA_core = core
        config.set_flag(flags.GPU_FALLBACK)


def _require_dla(library: Library, builder: Any, core: int | None) -> None:
    there = getattr(builder, "num_DLA_cores", 0)
    if core is not None and library.features.dla and core >= there:
        raise NotReady(
            f"builder.dla_core is {core}, counted from 0, and {library.title} finds {there} DLAs here: name one of "
            "them, or leave it out to build for the GPU."
        )


def _set_tactic_sources(library: Library, config: Any, sources: tuple[str, ...]) -> None:
    known = library.trt.TacticSource
    mask = 0
    for source in sources:
        if not hasattr(known, source.upper()):
            there = ", ".join(name.lower() for name in dir(known) if name.isupper())
            raise _lacks(library, "builder.tactic_sources", f"has {there}, and no {source}")
        mask |= 1 << int(getattr(known, source.upper()))
    if not config.set_tactic_sources(mask):
        raise library.failed(f"refuses the tactic sources {', '.join(sources)}")


def _set_target(library: Library, config: Any, target: float) -> None:
    known = library.trt.ComputeCapability
    name = f"SM{round(target * 10)}"
    if not hasattr(known, name):
        numbers = sorted(int(word[2:]) for word in dir(known) if word.startswith("SM"))
        there = ", ".join(f"{number // 10}.{number % 10}" for number in numbers)
        raise _lacks(library, "builder.compute_capability", f"builds for {there}, not {target:.1f}")
    config.num_compute_capabilities = 1
    if not config.set_compute_capability(getattr(known, name), 0):
        raise library.failed(f"refuses the compute capability {target:.1f}")


def _failure(library: Library, values: Mapping[str, Any]) -> RunFailed:
    failure = library.failed("built no engine")
    # What a GPU that is here has is no matter to a build for another one.
    memory = device_memory() if values.get("builder.compute_capability") is None else None
    cure = memory_cure(str(failure), values.get("builder.workspace_size"), memory)
    return RunFailed(f"{str(failure).rstrip('.')}. {cure}") if cure else failure


def _tensors(library: Library, made: Any, request: Request) -> list[PlanTensor]:
    trt = library.trt
    tensors = [(made.get_input(number), True) for number in range(made.num_inputs)]
    tensors += [(made.get_output(number), False) for number in range(made.num_outputs)]
    return [
        PlanTensor(
            name=tensor.name,
            is_input=is_input,
            dtype=_dtype_name(trt, tensor),
            format=request.input_format if is_input else "linear",
            shape=tuple(tensor.shape)[1:],
        )
        for tensor, is_input in tensors
    ]


def _dtype_name(trt: Any, tensor: Any) -> str:
    try:
        return str(trt.nptype(tensor.dtype).__name__)
    except TypeError as error:  # numpy has no bfloat16, and none of fewer bits than 8
        message = f"has {tensor.name} in {tensor.dtype.name.lower()}, which samples and answers cannot have"
        raise ConfigError([Problem("model.path", message, hint="export it with float32 there")]) from error


def _with_scale(tensor: PlanTensor, scales: Mapping[str, float] | None) -> PlanTensor:
    if not tensor.is_input or tensor.dtype != "int8" or scales is None:
        return tensor
    return attrs.evolve(tensor, scale=scales.get(tensor.name))  # none where the network itself takes integers


def _lacks(library: Library, path: str, what: str) -> ConfigError:
    return ConfigError([Problem(path, f"cannot hold: {library.title} {what}")])

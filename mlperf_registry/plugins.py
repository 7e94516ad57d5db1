"""The lazy table of benchmark families and backends: ours by name, others by entry point. Imports none of their code.

Third parties declare, in a wheel of their own:

    [project.entry-points."mlperf_registry.benchmarks"]   <family> = "module:BENCHMARK"   a BenchmarkPlugin
    [project.entry-points."mlperf_registry.backends"]     <name>   = "module:BACKEND"     a BackendPlugin
    [project.entry-points."mlperf_registry.conf"]         <name>   = "package"            whose folder conf/ holds YAML

A plug-in whose code does not load keeps its name in the table, with its fault: it must not break what does not use it.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeVar

from mlperf_registry.schema.nearest import nearest
from mlperf_registry.schema.plugin import BackendPlugin, BenchmarkPlugin
from mlperf_registry.schema.problem import ConfigError, NotReady, Problem
from mlperf_registry.schema.sections import Benchmark
from mlperf_registry.schema.workload import Workload

OUR_BENCHMARKS = {
    plugin.family: plugin
    for plugin in (
        BenchmarkPlugin(
            family="resnet50",
            options="mlperf_registry.schema.benchmarks.resnet50:ResNet50Options",
            dataset="harness.benchmarks.resnet50.data:open_dataset",
            respond="harness.benchmarks.resnet50.accuracy:labels",
            accuracy="harness.benchmarks.resnet50.accuracy:top1",
            calibration="harness.benchmarks.resnet50.calibration:open_calibration_set",
            random_weights="harness.benchmarks.resnet50.architecture:random_network",
            random_data="harness.benchmarks.resnet50.random_images:open_random_images",
        ),
        BenchmarkPlugin(
            family="llm",
            options="mlperf_registry.schema.benchmarks.llm:LlmOptions",
            dataset="harness.benchmarks.llm.data:open_dataset",
            accuracy="harness.benchmarks.llm.accuracy:score",
            random_weights="harness.benchmarks.llm.architecture:random_checkpoint",
            random_data="harness.benchmarks.llm.random_prompts:open_random_prompts",
        ),
        # Families whose configurations are here before the code that runs them.
        BenchmarkPlugin(family="ssd"),
        BenchmarkPlugin(family="retinanet", options="mlperf_registry.schema.benchmarks.retinanet:RetinaNetOptions"),
        BenchmarkPlugin(family="bert", options="mlperf_registry.schema.benchmarks.bert:BertOptions"),
        BenchmarkPlugin(family="dlrm", options="mlperf_registry.schema.benchmarks.dlrm:DlrmOptions"),
        BenchmarkPlugin(family="rnnt", options="mlperf_registry.schema.benchmarks.rnnt:RnntOptions"),
        BenchmarkPlugin(family="unet3d", options="mlperf_registry.schema.benchmarks.unet3d:UNet3dOptions"),
        BenchmarkPlugin(family="sdxl", options="mlperf_registry.schema.benchmarks.sdxl:SdxlOptions"),
        BenchmarkPlugin(family="whisper", options="mlperf_registry.schema.benchmarks.whisper:WhisperOptions"),
        BenchmarkPlugin(family="rgat", options="mlperf_registry.schema.benchmarks.rgat:RgatOptions"),
        BenchmarkPlugin(family="multimodal"),
        BenchmarkPlugin(family="wan"),
        BenchmarkPlugin(family="rag"),
        BenchmarkPlugin(family="yolo"),
        BenchmarkPlugin(family="pointpainting"),
    )
}

_TENSORRT_READS = (
    "builder.gpu_batch_size",
    "builder.dla_batch_size",
    "builder.precision",
    "builder.use_fp8",
    "builder.strongly_typed",
    "builder.input_dtype",
    "builder.input_format",
    "builder.workspace_size",
    "builder.active_sms",
    "builder.dla_core",
    "builder.static_batch",
    "builder.optimization_level",
    "builder.tactic_sources",
    "builder.compute_capability",
    "builder.version_compatible",
    "builder.plugin_libraries",
    "builder.skip_graphsurgeon",
    "builder.disable_beta1_smallk",
    "model.output_name",
    "runtime.gpu_inference_streams",  # as many optimisation profiles
    "benchmark.options.bert_opt_seqlen",
    "benchmark.options.enable_interleaved",
    "benchmark.options.embedding_weights_on_gpu_part",
    "benchmark.options.enable_interleaved_top_mlp",
    "benchmark.options.output_padding_granularity",
    "benchmark.options.embeddings_precision",
    "benchmark.options.bot_mlp_precision",
    "benchmark.options.interaction_op_precision",
    "benchmark.options.top_mlp_precision",
    "benchmark.options.final_linear_precision",
    "benchmark.options.disable_encoder_plugin",
    "benchmark.options.max_seq_length",
    "benchmark.options.audio_fp16_input",
    "benchmark.options.nms_type",
    "benchmark.options.use_native_instance_norm",
)
"""What facts about NVIDIA's builders say changes an engine; a path that a family lacks is skipped."""

_TENSORRT_LLM_READS = (
    "builder.gpu_batch_size",
    "builder.precision",
    "builder.use_fp8",
    "builder.input_dtype",
    "builder.max_num_tokens",
    "llm.tensor_parallelism",
    "llm.pipeline_parallelism",
    "llm.moe_expert_parallelism",
    "llm.trtllm_checkpoint_flags",
    "llm.trtllm_build_flags",
    "llm.trtllm_runtime_flags.trtllm_backend",
    "model.weights",
    "backend.options.llm_args",
    "benchmark.options.whisper_encoder_build_flags",
    "benchmark.options.whisper_decoder_build_flags",
)

_VLLM_READS = (
    "model.weights",
    "builder.precision",
    "llm.tensor_parallelism",
    "llm.pipeline_parallelism",
    "llm.moe_expert_parallelism",
    "llm.trtllm_checkpoint_flags.kv_cache_dtype",
    "llm.trtllm_build_flags.max_seq_len",
    "llm.trtllm_runtime_flags.max_batch_size",
    "llm.trtllm_runtime_flags.max_num_tokens",
    "llm.trtllm_runtime_flags.enable_chunked_context",
    "llm.trtllm_runtime_flags.cuda_graph_batch_sizes",
    "backend.options.gpu_memory_utilization",
    "backend.options.max_model_len",
    "backend.options.quantization",
    "backend.options.performance_mode",
    "backend.options.async_scheduling",
    "backend.options.enforce_eager",
    "backend.options.enable_prefix_caching",
    "backend.options.engine_args",
)

_EDGELLM_READS = (
    "llm.trtllm_build_flags.max_batch_size",
    "llm.trtllm_build_flags.max_input_len",
    "llm.trtllm_build_flags.max_seq_len",
    "llm.trtllm_checkpoint_flags.kv_cache_dtype",
    "backend.options.quantization",
    "backend.options.lm_head_quantization",
    "backend.options.calibration_path",
    "backend.options.calibration_samples",
    "backend.options.fp8_embedding",
)


def _tensorrt(name: str, *, distribution: str, extra: str) -> BackendPlugin:
    """The entry of one library behind the seam, whose backend has the name of its module."""
    return BackendPlugin(
        name=name,
        options="mlperf_registry.schema.backends.tensorrt:TensorRTOptions",
        builder="harness.backends.tensorrt.builder:TensorRTBuilder",
        runner="harness.backends.tensorrt.runner:TensorRTRunner",
        calibrate="harness.backends.tensorrt.calibration:calibrate",
        inspect="harness.backends.tensorrt.inspection:read_inspection",
        reads=_TENSORRT_READS,
        imports=(name, "cuda"),
        distribution=distribution,
        extra=extra,
        prepare="harness.backends.tensorrt.inputs:prepare",
    )


OUR_BACKENDS = {
    plugin.name: plugin
    for plugin in (
        BackendPlugin(
            name="onnxruntime",
            options="mlperf_registry.schema.backends.onnxruntime:OnnxRuntimeOptions",
            builder="harness.backends.onnxruntime.builder:OnnxRuntimeBuilder",
            runner="harness.backends.onnxruntime.runner:OnnxRuntimeRunner",
            reads=("builder.precision", "backend.options.graph_optimization"),
            precisions=("fp32",),
            imports=("onnxruntime",),
            distribution="onnxruntime",
        ),
        BackendPlugin(
            name="openvino",
            options="mlperf_registry.schema.backends.openvino:OpenVINOOptions",
            builder="harness.backends.openvino.builder:OpenVINOBuilder",
            runner="harness.backends.openvino.runner:OpenVINORunner",
            reads=(),
            precisions=("fp32", "bf16"),
            imports=("openvino", "openvino_genai"),
            distribution="openvino",
            extra="llm",
        ),
        _tensorrt("tensorrt", distribution="tensorrt", extra="tensorrt"),
        _tensorrt("tensorrt_rtx", distribution="tensorrt-rtx-cu13", extra="rtx"),
        BackendPlugin(
            name="tensorrt_llm",
            options="mlperf_registry.schema.backends.tensorrt_llm:TensorRTLLMOptions",
            builder="harness.backends.tensorrt_llm.builder:TensorRTLLMBuilder",
            runner="harness.backends.tensorrt_llm.runner:TensorRTLLMRunner",
            check="harness.backends.tensorrt_llm.check:check",
            reads=_TENSORRT_LLM_READS,
            takes="folder",
            imports=("tensorrt_llm",),
            distribution="tensorrt-llm",
            extra="trtllm",
        ),
        BackendPlugin(
            name="vllm",
            options="mlperf_registry.schema.backends.vllm:VllmOptions",
            builder="harness.backends.vllm.builder:VllmBuilder",
            runner="harness.backends.vllm.runner:VllmRunner",
            check="harness.backends.vllm.check:check",
            reads=_VLLM_READS,
            takes="folder",
            imports=("vllm",),
            distribution="vllm",
            extra="vllm",
        ),
        BackendPlugin(
            name="tensorrt_edgellm",
            options="mlperf_registry.schema.backends.tensorrt_edgellm:EdgeLlmOptions",
            builder="harness.backends.tensorrt_edgellm.builder:EdgeLlmBuilder",
            runner="harness.backends.tensorrt_edgellm.runner:EdgeLlmRunner",
            check="harness.backends.tensorrt_edgellm.check:check",
            reads=_EDGELLM_READS,
            takes="folder",
            imports=("tensorrt_edgellm",),
            distribution="tensorrt-edgellm",
            extra="edgellm",
        ),
        BackendPlugin(
            name="openai_endpoint",
            options="mlperf_registry.schema.backends.openai_endpoint:OpenAIEndpointOptions",
            builder="harness.backends.openai_endpoint.builder:OpenAIEndpointBuilder",
            runner="harness.backends.openai_endpoint.runner:OpenAIEndpointRunner",
            check="harness.backends.openai_endpoint.check:check",
            reads=("llm.trtllm_server_urls", "backend.options.server_command"),
            takes="nothing",
        ),
    )
}

HARNESSES = ("native",)
"""Options of the axis harness that this version can run; the others are there for what was published with them."""

P = TypeVar("P", BenchmarkPlugin, BackendPlugin)


@cache
def benchmarks() -> dict[str, BenchmarkPlugin]:
    """Family to plug-in, third parties' included."""
    return _joined(OUR_BENCHMARKS, "mlperf_registry.benchmarks", BenchmarkPlugin)


@cache
def backends() -> dict[str, BackendPlugin]:
    """Name to plug-in, third parties' included."""
    return _joined(OUR_BACKENDS, "mlperf_registry.backends", BackendPlugin)


def benchmark(family: str) -> BenchmarkPlugin:
    """The plug-in of a family.

    Raises:
        ConfigError: with the nearest names, when there is none.
        NotReady: when its code does not load.
    """
    return _named(benchmarks(), family, "benchmark.family")


def backend(name: str) -> BackendPlugin:
    """The plug-in of a backend.

    Raises:
        ConfigError: with the nearest names, when there is none.
        NotReady: when its code does not load.
    """
    return _named(backends(), name, "backend.name")


def claimants(benchmark: Benchmark) -> tuple[str, ...]:
    """The backends that claim a benchmark which does not name them, in the order of their names."""
    names = {benchmark.family, benchmark.id}
    claiming = (name for name, plugin in backends().items() if not names.isdisjoint(plugin.benchmarks))
    return tuple(sorted(name for name in claiming if name not in benchmark.backends))


def conf_roots() -> tuple[Path, ...]:
    """The conf/ folders that other distributions bring, in the order of their names; ``faults`` tells of the others."""
    return tuple(found for found in _conf_roots() if isinstance(found, Path))


def faults() -> tuple[str, ...]:
    """What is wrong with the plug-ins of other distributions, a sentence with its cure each."""
    unusable = (
        *(family.fault for family in benchmarks().values()),
        *(backend.fault for backend in backends().values()),
    )
    return tuple(found for found in (*unusable, *_conf_roots()) if isinstance(found, str))


def load(target: str) -> Any:
    """The object that ``module:attribute`` names.

    Raises:
        NotReady: when there is none, or its module needs another that is not installed.
    """
    module, _, attribute = target.partition(":")
    try:
        return getattr(import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise NotReady(f"{target} does not load: {error}.") from error


def require(plugin: BackendPlugin) -> None:
    """Check that the backend can run here at all.

    Raises:
        NotReady: when this version has no code for it, or a module that it imports is absent.
    """
    _refuse_faulty(plugin)
    if plugin.builder is None or plugin.runner is None:
        raise NotReady(
            f"The backend {plugin.name} has no builder and runner in this version; choose another with backend=NAME."
        )
    missing = [module for module in plugin.imports if find_spec(module) is None]
    if missing:
        wanted = f"mlperf-registry[{plugin.extra}]" if plugin.extra else " ".join(missing)
        raise NotReady(
            f"The backend {plugin.name} needs {', '.join(missing)}, not installed here: pip install '{wanted}'"
        )


def problems_of(workload: Workload) -> tuple[Problem, ...]:
    """What a workload's backend says cannot be as it is configured, see ``BackendPlugin.check``.

    Raises:
        ConfigError, NotReady: as ``backend``.
    """
    check = backend(workload.backend.name).check
    return () if check is None else tuple(load(check)(workload))


def require_harness(family: str) -> BenchmarkPlugin:
    """The plug-in of a family that this version has code to run; none of it is loaded.

    Raises:
        ConfigError: with the nearest names, when there is no such family.
        NotReady: when there is no code, or the plug-in does not load.
    """
    plugin = benchmark(family)
    if not plugin.runnable:
        raise NotReady(
            f"This version has no harness for benchmarks of the family {family}: their configurations can be listed, "
            "explained and compared, not run. benchmark=resnet50-mini runs everywhere."
        )
    return plugin


def require_runnable(workload: Workload) -> None:
    """Check that this version has the code to run a workload, whatever else may be missing.

    Raises:
        ConfigError, NotReady: as ``require_harness``.
        NotReady: when it has no such harness as the cell names.
    """
    require_harness(workload.benchmark.family)
    name = workload.harness.name
    if name not in HARNESSES:
        raise NotReady(
            f"This version has no harness {name}: what was published with it can be listed, explained and compared, "
            "not run. Choose harness=native."
        )


def open_dataset(workload: Workload, scratch: Path | None) -> Any:
    """The data set that a workload runs on: its benchmark's own, or seeded samples where its weights are random.

    Raises:
        ConfigError, NotReady: as ``require_harness`` and the family's own code.
    """
    plugin = require_harness(workload.benchmark.family)
    if workload.model.weights == "random":
        return load(str(plugin.random_data))(workload.data, workload.benchmark.options)
    return load(str(plugin.dataset))(workload, scratch)


def open_calibration_set(workload: Workload, scratch: Path | None) -> Any:
    """The samples to calibrate a workload's INT8 engine with, as float32; None where its family has none.

    Raises:
        ConfigError, NotReady: as ``require_harness`` and the family's own code.
    """
    plugin, options = require_harness(workload.benchmark.family), workload.benchmark.options
    if workload.model.weights == "random":
        return load(str(plugin.random_data))(workload.data, options)
    if plugin.calibration is None:
        return None
    return load(plugin.calibration)(workload.data, workload.builder, options, scratch)


def accuracy_scorer(family: str) -> Any:
    """The callable that scores a family's accuracy log, see ``BenchmarkPlugin.accuracy``; errors the same."""
    return load(str(require_harness(family).accuracy))


def _declared(group: str) -> Iterable[EntryPoint]:
    """What other distributions declare in one of the groups."""
    return _entry_points().select(group=group)


_entry_points = cache(entry_points)
"""Once for all groups: to know those of one is to look into every distribution."""


def _joined(ours: dict[str, P], group: str, kind: type[P]) -> dict[str, P]:
    table, owners = dict(ours), dict.fromkeys(ours, "mlperf-registry")
    for entry in _declared(group):
        owner = owners.setdefault(entry.name, _distribution(entry))
        if entry.name in table:
            fault = f"Both {owner} and {_distribution(entry)} bring {group}:{entry.name}: uninstall one of them."
            table[entry.name] = kind.faulty(entry.name, fault)
        else:
            table[entry.name] = _loaded(entry, kind)
    return table


@cache
def _conf_roots() -> tuple[Path | str, ...]:
    """For each distribution that declares a conf/ folder: the folder, or what is wrong with it."""
    entries = sorted(_declared("mlperf_registry.conf"), key=lambda entry: entry.name)
    return tuple(_conf_root(entry) for entry in entries)


def _conf_root(entry: EntryPoint) -> Path | str:
    try:
        spec = find_spec(entry.value)
    except Exception as error:  # a package above it is imported, and may raise anything
        wrong = f"does not load: {type(error).__name__}: {error}"
    else:
        if spec is None:
            wrong = "is not there"
        elif not spec.submodule_search_locations:
            wrong = "is a module, not a package with a folder"
        else:
            root = Path(next(iter(spec.submodule_search_locations))) / "conf"
            if root.is_dir():
                return root
            wrong = "has no folder conf/"
    owner = _distribution(entry)
    return f"{entry.value}, whose conf/ {owner} declares, {wrong}. Repair or uninstall {owner}."


def _loaded(entry: EntryPoint, kind: type[P]) -> P:
    try:
        plugin = entry.load()
    except Exception as error:  # a third party's module may raise anything
        wrong = f"does not load: {type(error).__name__}: {error}"
    else:
        if isinstance(plugin, kind):
            return plugin
        wrong = f"is no {kind.__name__}"
    owner = _distribution(entry)
    return kind.faulty(entry.name, f"{entry.value} of {owner} {wrong}. Repair or uninstall {owner}.")


def _distribution(entry: EntryPoint) -> str:
    return entry.dist.name if entry.dist is not None else "an unknown distribution"


def _named(table: dict[str, P], name: str, path: str) -> P:
    if name not in table:
        raise ConfigError([Problem(path, f"no plug-in is called {name!r}", hint=nearest(name, table))])
    _refuse_faulty(table[name])
    return table[name]


def _refuse_faulty(plugin: BenchmarkPlugin | BackendPlugin) -> None:
    if plugin.fault is not None:
        raise NotReady(plugin.fault)

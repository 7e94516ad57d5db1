"""The sections of a workload: identity of each axis, then what builder, runtime, LoadGen, model and data read.

Names follow NVIDIA's. Times and sizes are integers in the unit given; YAML writes them with their unit.
"""

from __future__ import annotations

from typing import Any, Literal

import attrs

from mlperf_registry.schema.components import PerComponent
from mlperf_registry.schema.knob import above, at_least, between, knob, not_empty

Precision = Literal["fp32", "fp16", "bf16", "int8", "fp8", "fp4"]
ScenarioName = Literal["Offline", "Server", "SingleStream", "MultiStream", "Interactive"]
TestMode = Literal["SubmissionRun", "PerformanceOnly", "AccuracyOnly"]
Category = Literal["datacenter", "edge", "datacenter,edge"]


@attrs.frozen(kw_only=True)
class System:
    """The machine under test, as far as a configuration depends on it."""

    id: str = knob("Name of the system: its option, its folder in results.")
    description: str = knob("One line for lists and reports.", default="")
    devices: tuple[Literal["gpu", "cpu"], ...] = knob("Kinds of device that engines may run on, best first.")
    category: Category | None = knob("Submission category of the system; absent where it is unknown.", default=None)
    accelerator: str | None = knob("Accelerator model, as in its submission description.", default=None)
    accelerator_count: int = knob("Accelerators in the system.", check=at_least(0), default=0)
    aliases: tuple[str, ...] = knob("Other names under which rounds know the system.", default=())


@attrs.frozen(kw_only=True)
class Benchmark:
    """A benchmark's identity and what it can be combined with in any round."""

    id: str = knob("Name of the benchmark: its option.")
    family: str = knob("Registered alias of the code (data, accuracy) that implements it.")
    description: str = knob("One line for lists and reports.", default="")
    mini: bool = knob("A small stand-in with real data; never submittable.", default=False)
    rules_as: str = knob("Benchmark whose rules apply; a mini names its parent, a full benchmark itself.")
    loadgen_key: str = knob("Model name in LoadGen's mlperf.conf.")
    aliases: tuple[str, ...] = knob("Other names on the command line.", default=())
    names_in_rounds: PerComponent[str] = knob(
        "Round to the name used there, where it differs.", default=PerComponent({})
    )
    components: tuple[str, ...] = knob("Engines of the benchmark; keys of per-component values.", check=not_empty)
    scenarios: tuple[str, ...] = knob("Scenario options that exist in any round.")
    accuracy_targets: tuple[str, ...] = knob("Accuracy-target options that exist in any round.")
    harnesses: tuple[str, ...] = knob("Harness options that exist in any round.")
    backends: tuple[str, ...] = knob("Engine libraries that can run it, in order of preference.")
    accuracy_metric: str = knob("Name of the metric that decides accuracy.")
    accuracy_reference: float | None = knob(
        "Reference accuracy in the metric's unit; absent where the round's data gives it.", default=None
    )
    accuracy_unit: str = knob("Unit of the metric.", default="%")
    options: Any = knob("Options owned by the benchmark; their class comes from its family.", default=None)


@attrs.frozen(kw_only=True)
class Scenario:
    """How LoadGen issues queries."""

    name: ScenarioName = knob("Name in JSON and folders.")
    first_try_min_query_count: int = knob(
        "Fewest queries in explore and test_run: what early stopping needs, and no more.",
        unit="queries",
        check=at_least(1),
    )


@attrs.frozen(kw_only=True)
class AccuracyTarget:
    """The share of the reference accuracy that a run must keep."""

    name: str = knob("Name in JSON: 0.99, 0.999.")
    fraction: float = knob("Share of the reference accuracy.", check=between(0, 1))


@attrs.frozen(kw_only=True)
class PowerSetting:
    """Whether the run aims at performance or at performance per watt."""

    name: Literal["MaxP", "MaxQ"] = knob("Name in JSON and folders.")


@attrs.frozen(kw_only=True)
class Harness:
    """How the SUT is organised."""

    name: str = knob("Name in JSON and folders; native is the benchmark's own.")


@attrs.frozen(kw_only=True)
class Backend:
    """The engine library."""

    name: str = knob("Registered alias of the engine library.")
    device: Literal["gpu", "cpu"] = knob("Kind of device that its engines run on.")
    options: Any = knob("Options owned by the backend.", default=None)


@attrs.frozen(kw_only=True)
class Mode:
    """How strictly the rules of the round hold."""

    name: Literal["explore", "test_run", "submission"] = knob("Name in JSON.")
    strict: bool = knob("Whether a breach of a rule ends the command instead of warning.")


@attrs.frozen(kw_only=True)
class Builder:
    """What turns a model into an engine."""

    gpu_batch_size: PerComponent[int] = knob(
        "Samples per engine execution; on a CPU backend too, under NVIDIA's name.", unit="samples", check=at_least(1)
    )
    precision: PerComponent[Precision] = knob("Number format of the engine's weights and activations.")
    input_dtype: Literal["fp32", "fp16", "int8", "uint8"] | None = knob(
        "Number format of the engine's input.", default=None
    )
    input_format: Literal["linear", "chw4", "chw32"] | None = knob("Memory layout of the engine's input.", default=None)
    workspace_size: int | None = knob(
        "Scratch memory that a GPU builder may use.", unit="B", check=above(0), default=None
    )
    active_sms: int | None = knob("Share of the GPU's SMs to tune for.", unit="%", check=between(1, 100), default=None)
    force_build_engines: bool = knob("Build even where the cache has the engine.", default=False)


@attrs.frozen(kw_only=True)
class Runtime:
    """What feeds the engine while LoadGen runs."""

    gpu_copy_streams: int | None = knob("Streams that copy input and output.", check=at_least(1), default=None)
    gpu_inference_streams: int | None = knob(
        "Streams that execute the engine; on a CPU backend, engine instances.", check=at_least(1), default=None
    )
    run_infer_on_copy_streams: bool = knob("Execute on the stream that copied.", default=False)
    use_graphs: bool = knob("Capture a CUDA graph per batch size.", default=False)
    start_from_device: bool = knob("Keep samples in device memory before the query.", default=False)
    use_cuda_thread_per_device: bool = knob("One submitting thread per device.", default=False)
    deque_timeout_usec: int = knob(
        "How long the batcher holds back a batch that is not full, from its first sample; 0: not at all.",
        unit="us",
        unit_in_name=True,
        check=at_least(0),
        default=0,
    )
    use_deque_limit: bool = knob(
        "NVIDIA's cap on the samples that one acquire takes; no effect here, where none takes more than a batch.",
        default=False,
    )
    warmup_duration: int = knob(
        "Time for warm-up executions before LoadGen starts.", unit="ms", check=at_least(0), default=1000
    )
    load_timeout: int = knob(
        "A child that takes longer to open its engine, or to load samples, counts as hung.",
        unit="ms",
        check=above(0),
        default=1_800_000,
    )
    stall_timeout: int = knob(
        "A child that reports no progress for so long counts as hung.", unit="ms", check=above(0), default=120_000
    )


@attrs.frozen(kw_only=True)
class LoadGen:
    """What LoadGen is told. A field left out takes the round's value, or is measured by the probe."""

    test_mode: TestMode = knob(
        "PerformanceOnly, AccuracyOnly, or SubmissionRun for both, each in a folder of its own.",
        default="SubmissionRun",
    )
    offline_expected_qps: float | None = knob(
        "Rate that sizes the Offline query.", unit="samples/s", check=above(0), default=None
    )
    server_target_qps: float | None = knob(
        "Mean arrival rate in Server and Interactive.", unit="queries/s", check=above(0), default=None
    )
    accuracy_server_target_qps: float | None = knob(
        "Arrival rate of Server accuracy runs, which LoadGen paces too; absent: the target rate.",
        unit="queries/s",
        check=above(0),
        default=None,
    )
    server_target_latency_ns: int | None = knob(
        "Latency bound in Server; absent: the round's.", unit="ns", unit_in_name=True, check=above(0), default=None
    )
    server_target_latency_percentile: float | None = knob(
        "Percentile of queries that the bound holds for.", unit="%", check=between(0, 100), default=None
    )
    server_coalesce_queries: bool = knob("Let LoadGen hand over all queries that are due in one call.", default=False)
    single_stream_expected_latency_ns: int | None = knob(
        "Expected latency of a query; LoadGen sizes its list of queries by it.",
        unit="ns",
        unit_in_name=True,
        check=above(0),
        default=None,
    )
    single_stream_target_latency_percentile: float | None = knob(
        "Percentile reported in SingleStream; absent: the round's.", unit="%", check=between(0, 100), default=None
    )
    multi_stream_expected_latency_ns: int | None = knob(
        "Expected latency of a query of several samples.", unit="ns", unit_in_name=True, check=above(0), default=None
    )
    multi_stream_target_latency_percentile: float | None = knob(
        "Percentile reported in MultiStream; absent: the round's.", unit="%", check=between(0, 100), default=None
    )
    multi_stream_samples_per_query: int | None = knob(
        "Samples in a MultiStream query; absent: the round's.", unit="samples", check=at_least(1), default=None
    )
    ttft_latency_ns: int | None = knob(
        "Bound on time to first token; absent: the round's.", unit="ns", unit_in_name=True, check=above(0), default=None
    )
    tpot_latency_ns: int | None = knob(
        "Bound on time per output token; absent: the round's.",
        unit="ns",
        unit_in_name=True,
        check=above(0),
        default=None,
    )
    min_duration: int | None = knob(
        "Shortest run that counts; absent: the round's.", unit="ms", check=above(0), default=None
    )
    max_duration: int | None = knob("LoadGen stops issuing after this time.", unit="ms", check=above(0), default=None)
    min_query_count: int | None = knob(
        "Fewest queries; absent: the round's.", unit="queries", check=at_least(1), default=None
    )
    max_query_count: int | None = knob("Most queries.", unit="queries", check=at_least(1), default=None)
    performance_sample_count_override: int | None = knob(
        "Samples held in memory for performance runs; absent: the round's, or the whole set if smaller.",
        unit="samples",
        check=at_least(1),
        default=None,
    )
    qsl_rng_seed: int | None = knob("Seed of the samples held; absent: the round's.", check=at_least(0), default=None)
    sample_index_rng_seed: int | None = knob(
        "Seed of the order of samples; absent: the round's.", check=at_least(0), default=None
    )
    schedule_rng_seed: int | None = knob(
        "Seed of the arrival times; absent: the round's.", check=at_least(0), default=None
    )
    log_enable_trace: bool = knob("Write LoadGen's trace; costs a factor of four at high rates.", default=False)


@attrs.frozen(kw_only=True)
class Model:
    """The network. Paths are relative to the scratch space, or ``package:<package>/<path>`` for a wheel's files."""

    path: str = knob("The ONNX file.")
    source: str = knob("Where to get the model, for the one who lacks it.", default="")
    input_name: str = knob("Name of the graph's input tensor.")
    output_name: str = knob("Name of the graph's output tensor that accuracy reads.")
    weights: Literal["trained", "random"] = knob(
        "random builds from the architecture alone: performance only.", default="trained"
    )


@attrs.frozen(kw_only=True)
class Data:
    """The data set. Paths as in ``Model``."""

    path: str = knob("Folder or file with the samples.")
    map_path: str | None = knob("List of samples and their labels.", default=None)
    tensor_path: str | None = knob("Folder of preprocessed samples, filled on first use.", default=None)
    source: str = knob("Where to get the data, for the one who lacks it.", default="")
    sample_count: int = knob("Samples of the whole set.", unit="samples", check=at_least(1))


@attrs.frozen(kw_only=True)
class Power:
    """Power management of the system under test."""

    power_limit: float | None = knob(
        "Power limit of each accelerator.", unit="W", unit_in_name=True, check=above(0), default=None
    )

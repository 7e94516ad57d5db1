"""What only the harnesses that go through a Triton server read.

Triton's own batching, its instances, and the clients that feed it.
"""

from __future__ import annotations

from functools import partial
from typing import Literal

import attrs

from mlperf_registry.schema import bounds
from mlperf_registry.schema.applicability import NVIDIA, SERVER, TOKENS, TRITON
from mlperf_registry.schema.knob import Applies, at_least, between, knob, matches

_TRITON = Applies(harnesses=TRITON, backends=NVIDIA)
_LLM = Applies(benchmarks=TOKENS, harnesses=TRITON, backends=NVIDIA)
_CPU = Applies(benchmarks=("unet3d", "bert", "dlrm", "resnet50", "ssd"), harnesses=TRITON, backends=NVIDIA)
_INFERENTIA = Applies(benchmarks=("bert", "resnet50"), harnesses=("triton",), backends=NVIDIA)

_DIGITS = matches(r"\d+", "16")


_openvino = partial(knob, applies=_CPU, default=None)


@attrs.frozen(kw_only=True)
class OpenVinoParameters:
    """Parameters of Triton's OpenVINO back end, which takes all of them as text."""

    CPU_THREADS_NUM: str | None = _openvino("CPU threads in all.", check=_DIGITS, scales="never")
    CPU_THROUGHPUT_STREAMS: str | None = _openvino("Inferences that run side by side.", check=_DIGITS)
    ENABLE_BATCH_PADDING: Literal["YES", "NO"] | None = _openvino("Fill up a partly filled batch.")
    SKIP_OV_DYNAMIC_BATCHSIZE: Literal["YES", "NO"] | None = _openvino("Leave OpenVINO's own dynamic batching alone.")


@attrs.frozen(kw_only=True)
class Triton:
    """How a Triton server is set up and fed."""

    use_triton: bool = knob("Go through Triton; the harness says so.", applies=Applies(harnesses=TRITON), default=False)
    instance_group_count: int | None = knob(
        "Instances of the model per GPU.",
        unit="instances",
        check=between(1, bounds.THREADS),
        applies=_TRITON,
        default=None,
    )
    preferred_batch_size: int | None = knob(
        "Batch size that the dynamic batcher aims at.",
        unit="samples",
        check=between(1, bounds.BATCH),
        applies=_TRITON,
        scales="size",
        default=None,
    )
    max_queue_delay_usec: int | None = knob(
        "How long the dynamic batcher holds a request back.",
        unit="us",
        unit_in_name=True,
        check=between(0, bounds.HELD_BACK_USEC),
        applies=_TRITON,
        default=None,
    )
    request_timeout_usec: int | None = knob(
        "Time after which a request is given up.",
        unit="us",
        unit_in_name=True,
        check=between(1, bounds.HELD_BACK_USEC),
        applies=Applies(scenarios=SERVER, harnesses=TRITON, backends=NVIDIA),
        default=None,
    )
    batch_triton_requests: bool = knob("Send a batch of samples as one request.", applies=_TRITON, default=False)
    gather_kernel_buffer_threshold: int = knob(
        "Buffers from which inputs are gathered by a GPU kernel; 0: never.",
        unit="buffers",
        check=at_least(0),
        applies=_TRITON,
        default=0,
    )
    buffer_manager_thread_count: int = knob(
        "Threads that copy inputs and outputs.",
        unit="threads",
        check=between(0, bounds.THREADS),
        applies=_TRITON,
        default=0,
    )
    output_pinned_memory: bool | None = knob(
        "Put outputs into pinned host memory; absent: Triton's choice.", applies=_TRITON, default=None
    )
    use_concurrent_harness: bool = knob("Batch and issue on several threads.", applies=_TRITON, default=False)
    num_concurrent_batchers: int = knob(
        "Batching threads.", unit="threads", check=between(1, bounds.THREADS), applies=_TRITON, default=1
    )
    num_concurrent_issuers: int = knob(
        "Issuing threads.", unit="threads", check=between(1, bounds.THREADS), applies=_TRITON, default=1
    )
    dla_num_batchers: int | None = knob(
        "Batching threads for the DLAs.",
        unit="threads",
        check=between(1, bounds.THREADS),
        applies=_TRITON,
        scales="dla",
        default=None,
    )
    dla_num_issuers: int | None = knob(
        "Issuing threads for the DLAs.",
        unit="threads",
        check=between(1, bounds.THREADS),
        applies=_TRITON,
        scales="dla",
        default=None,
    )
    model_name: str | None = knob("Name of the model in the model repository.", applies=_CPU, default=None)
    num_instances: int | None = knob(
        "Instances of the model on a CPU.",
        unit="instances",
        check=between(1, bounds.THREADS),
        applies=_CPU,
        default=None,
    )
    ov_parameters: OpenVinoParameters = knob("Parameters of the OpenVINO back end.", default=OpenVinoParameters())
    inferentia_neuron_core_count: int | None = knob(
        "Cores of AWS Inferentia to use.",
        unit="cores",
        check=at_least(1),
        applies=_INFERENTIA,
        scales="never",
        default=None,
    )
    inferentia_threads_per_core: int | None = knob(
        "Host threads for each of these cores.",
        unit="threads",
        check=between(1, bounds.THREADS),
        applies=_INFERENTIA,
        default=None,
    )
    inferentia_compiled_model_framework: str | None = knob(
        "Framework that the compiled model comes from.", applies=_INFERENTIA, default=None
    )
    inferentia_compiled_model_batch_size: int | None = knob(
        "Batch size that the model was compiled for.",
        unit="samples",
        check=between(1, bounds.BATCH),
        applies=_INFERENTIA,
        default=None,
    )
    inferentia_request_batch_size: int | None = knob(
        "Samples in one request.", unit="samples", check=between(1, bounds.BATCH), applies=_INFERENTIA, default=None
    )
    triton_num_servers: int | None = knob(
        "Server processes.", unit="servers", check=at_least(1), applies=_LLM, default=None
    )
    triton_num_models_per_server: int | None = knob(
        "Models that each server loads.", unit="models", check=at_least(1), applies=_LLM, default=None
    )
    triton_num_frontends_per_model: int | None = knob(
        "Front-end processes for each model.", unit="processes", check=at_least(1), applies=_LLM, default=None
    )
    triton_num_clients_per_frontend: int | None = knob(
        "gRPC clients of each front end.", unit="clients", check=at_least(1), applies=_LLM, default=None
    )
    triton_num_clients_per_server: int | None = knob(
        "gRPC clients of each server.", unit="clients", check=at_least(1), applies=_LLM, default=None
    )
    triton_server_urls: tuple[str, ...] = knob(
        "Addresses of running servers.", applies=_LLM, scales="never", default=()
    )
    triton_grpc_ports: str | None = knob(
        "Hosts and gRPC ports of the servers.", applies=_LLM, scales="never", default=None
    )
    triton_skip_server_spawn: bool = knob("Use servers that run already.", applies=_LLM, default=False)
    triton_verbose_frontend: bool = knob("Let front ends log every request.", applies=_LLM, default=False)

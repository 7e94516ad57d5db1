"""What this distribution offers, by name. Entry points load this module and no other."""

from __future__ import annotations

from mlperf_registry.schema.plugin import BackendPlugin, BenchmarkPlugin

BENCHMARK = BenchmarkPlugin(
    family="parity",
    options="acme_mlperf.options:ParityOptions",
    dataset="acme_mlperf.parity:open_words",
    accuracy="acme_mlperf.parity:score",
)

BACKEND = BackendPlugin(
    name="acme",
    options="acme_mlperf.options:AcmeOptions",
    builder="acme_mlperf.engine:AcmeBuilder",
    runner="acme_mlperf.engine:AcmeRunner",
    reads=("backend.options.pruned_bits",),
    imports=("numpy",),
    distribution="acme-mlperf",
)

NETWORKS = BackendPlugin(
    name="acme_net",
    builder="acme_mlperf.network:NetworkBuilder",
    runner="acme_mlperf.network:NetworkRunner",
    benchmarks=("resnet50",),  # the whole family: resnet50 and resnet50-mini, whose files know nothing of ACME
    reads=(),
    precisions=("fp32",),
    imports=("onnxruntime",),
    distribution="acme-mlperf",
)

"""Factories of results, settings, samples and provenance that look like those of real runs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pytest

from mlperf_registry.report.points import Point
from mlperf_registry.report.provenance import ProvenanceRow
from mlperf_registry.schema.plan import Breach, LoadGenSettings
from mlperf_registry.schema.result import Accuracy, EngineUsed, Metric, RunResult

MS = 1_000_000


@pytest.fixture
def make_result(tmp_path: Path) -> Callable[..., RunResult]:
    """A Server run of resnet50-mini that is VALID and accurate; any field can be given."""

    def make(**changes: Any) -> RunResult:
        result = RunResult(
            schema=1,
            run_id="20261112T090501-3f9ac1",
            started="2026-11-12T09:05:01Z",
            system="generic_cpu",
            benchmark="resnet50-mini",
            mini=True,
            scenario="Server",
            accuracy_target="0.99",
            power_setting="MaxP",
            harness="native",
            backend="onnxruntime",
            mode="explore",
            round="v6.1",
            tuned_round="none",
            division="closed",
            category="edge",
            weights="trained",
            config_digest="9d1f4c7ab0e26d53" * 4,
            seeds={"qsl": 6023615788873153749, "sample_index": 15036839855038426416, "schedule": 9933818062894767841},
            valid=True,
            reasons=(),
            rule_breaches=(
                Breach(
                    rule="min-duration",
                    path="loadgen.min_duration",
                    message="must be 600 s or more, is 10 s",
                    reason="Short runs miss thermal throttling.",
                    citation="https://github.com/mlcommons/inference_policies",
                ),
            ),
            submittable=False,
            metrics=(
                Metric(name="result_completed_samples_per_sec", value=1996.42, unit="samples/s"),
                Metric(name="result_scheduled_samples_per_sec", value=2003.11, unit="samples/s"),
            ),
            latency={
                "50.00": 2.681e6,
                "90.00": 4.772e6,
                "95.00": 5.832e6,
                "97.00": 6.829e6,
                "99.00": 9.681e6,
                "99.90": 22.57e6,
            },
            accuracy=Accuracy(metric="top1", value=91.34, target=90.1908, passed=True, samples=10_000),
            engine=EngineUsed(
                key="5b3e9fd0c6a74f1e" * 4, path="build/engines/generic_cpu/resnet50-mini/5b3e9fd0c6a7", reused=True
            ),
            versions={
                "mlperf-registry": "0.1.0",
                "mlcommons-loadgen": "6.0.17",
                "onnxruntime": "1.23.2",
                "numpy": "2.2.6",
                "hydra-core": "1.3.8",
            },
            host={
                "cpu": "Intel(R) Xeon(R) Platinum 8481C CPU @ 2.70GHz",
                "architecture": "x86_64",
                "cores": 8,
                "memory_bytes": 33_420_115_968,
                "os": "Linux 6.8.0",
                "python": "3.11.9",
            },
            log_dir=str(tmp_path),
            report=str(tmp_path / "report.html"),
        )
        return attrs.evolve(result, **changes)

    return make


@pytest.fixture
def make_settings() -> Callable[..., LoadGenSettings]:
    """LoadGen's settings of a Server run with a bound of 15 ms at p99."""

    def make(**changes: Any) -> LoadGenSettings:
        settings = LoadGenSettings(
            scenario="Server",
            server_target_qps=2000.0,
            server_target_latency_ns=15 * MS,
            min_duration_ms=10_000,
            min_query_count=100,
            qsl_rng_seed=1,
            sample_index_rng_seed=2,
            schedule_rng_seed=3,
            performance_sample_count_override=1024,
        )
        return attrs.evolve(settings, **changes)

    return make


@pytest.fixture
def make_samples(tmp_path: Path) -> Callable[..., Path]:
    """Writes a samples.npz: Poisson arrivals, batched service, a heavy tail; or exactly the arrays that are given."""

    def make(count: int = 20_000, rate: float = 2000.0, *, tokens: bool = False, **arrays: Any) -> Path:
        path = tmp_path / "samples.npz"
        if not arrays:
            rng = np.random.default_rng(7)
            issue = np.cumsum(rng.exponential(1e9 / rate, count))
            issue -= issue[0]
            latency = (
                1.2 * MS
                + rng.gamma(2.2, 0.75 * MS, count)
                + (rng.random(count) < 0.01) * rng.exponential(7 * MS, count)
            )
            burst = (issue > 0.62 * issue[-1]) & (issue < 0.66 * issue[-1])
            latency[burst] *= 2.4
            arrays = {"issue_ns": issue, "complete_ns": issue + latency}
            if tokens:
                count_of_tokens = rng.integers(20, 300, count)
                arrays["first_token_ns"] = issue + 40 * MS + rng.gamma(2.0, 30 * MS, count)
                arrays["complete_ns"] = arrays["first_token_ns"] + count_of_tokens * rng.normal(
                    11 * MS, 0.8 * MS, count
                )
                arrays["token_count"] = count_of_tokens
        whole = {name: np.asarray(array).astype(np.int64) for name, array in arrays.items()}
        np.savez(path, index=np.arange(len(whole["issue_ns"])), started_unix=1.7e9, **whole)
        return path

    return make


@pytest.fixture
def make_offline_samples(make_samples: Callable[..., Path]) -> Callable[..., Path]:
    """Writes a samples.npz of Offline: all issued at once, batches of 64 completed at a nearly steady rate."""

    def make(count: int = 24_576, batch: int = 64, rate: float = 2400.0) -> Path:
        rng = np.random.default_rng(5)
        batches = np.cumsum(rng.normal(batch / rate * 1e9, 0.06 * batch / rate * 1e9, count // batch))
        return make_samples(issue_ns=np.zeros(count), complete_ns=np.repeat(batches, batch))

    return make


@pytest.fixture
def make_provenance() -> Callable[[], list[ProvenanceRow]]:
    """A handful of settings with the origins that composing gives."""

    def make() -> list[ProvenanceRow]:
        default = "field default"
        return [
            ProvenanceRow(
                "round",
                "v6.1",
                None,
                "MLPerf round whose rules hold.",
                (("default: newest with resnet50", None, "v6.1"),),
            ),
            ProvenanceRow("division", "closed", None, "Submission division.", ((default, None, "closed"),)),
            ProvenanceRow(
                "system.id",
                "generic_cpu",
                None,
                "Name of the system.",
                (("conf/system/generic_cpu.yaml", 4, "generic_cpu"),),
            ),
            ProvenanceRow(
                "builder.gpu_batch_size",
                {"resnet": 32},
                "samples",
                "Samples per engine execution; on a CPU backend too, under NVIDIA's name.",
                (
                    ("conf/benchmark/resnet50-mini.yaml", 31, {"resnet": 8}),
                    ("conf/system/generic_cpu.yaml", 12, {"resnet": 16}),
                    ("override:builder.gpu_batch_size.resnet=32", None, {"resnet": 32}),
                ),
            ),
            ProvenanceRow(
                "runtime.deque_timeout_usec",
                2000,
                "us",
                "How long the batcher waits for a batch to fill, from its first sample.",
                ((default, None, 0), ("conf/scenario/server.yaml", 7, 2000)),
            ),
            ProvenanceRow(
                "runtime.use_graphs", False, None, "Capture a CUDA graph per batch size.", ((default, None, False),)
            ),
            ProvenanceRow(
                "loadgen.server_target_qps",
                2000.0,
                "queries/s",
                "Mean arrival rate in Server and Interactive.",
                (("override:loadgen.server_target_qps=2000", None, 2000.0),),
            ),
            ProvenanceRow(
                "loadgen.min_duration",
                10_000,
                "ms",
                "Shortest run that counts; absent: the round's.",
                (("conf/scenario/server.yaml", 9, 600_000), ("conf/mode/explore.yaml", 5, 10_000)),
            ),
        ]

    return make


@pytest.fixture
def make_points(make_result: Callable[..., RunResult], tmp_path: Path) -> Callable[[], list[Point]]:
    """A sweep of the arrival rate: two points are INVALID, one failed, one misses its accuracy."""

    def make() -> list[Point]:
        points = []
        for place, qps in enumerate((500, 1000, 1500, 2000, 2500, 3000, 3500, 4000)):
            overrides = ("scenario=server", f"loadgen.server_target_qps={qps}")
            if qps == 1500:
                points.append(Point(overrides, None, "RunFailed: the child ended with signal 9 (out of memory?)."))
                continue
            folder = tmp_path / f"point{place}"
            reached = qps * 0.998 if qps < 3500 else 3120.0 - (qps - 3500) * 0.1
            result = make_result(
                valid=qps < 3500,
                reasons=() if qps < 3500 else ("Target latency constraint: p99 of 22.4 ms is over 15 ms.",),
                metrics=(Metric(name="result_completed_samples_per_sec", value=reached, unit="samples/s"),),
                accuracy=Accuracy(
                    metric="top1",
                    value=91.34 if qps < 3000 else 88.1,
                    target=90.1908,
                    passed=qps < 3000,
                    samples=10_000,
                ),
                log_dir=str(folder),
                report=str(folder / "report.html"),
            )
            points.append(Point(overrides, result, None))
        return points

    return make

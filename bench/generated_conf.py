"""A conf tree of 150 files for the registry's benchmark: ten groups, interpolations, tuned layers, and overrides.

Large enough to stand for many rounds of published configurations, and every cell of it is a well-typed workload.
"""

from __future__ import annotations

import random
from itertools import product
from pathlib import Path
from typing import Any

import attrs
import yaml

from mlperf_registry.roots import conf_root

FILES = 150
GROUPS = (
    "system",
    "benchmark",
    "scenario",
    "accuracy_target",
    "power_setting",
    "harness",
    "backend",
    "tuned_round",
    "mode",
    "experiment",
)
ROUNDS = ("v5.0", "v5.1")
SCENARIOS = {
    "offline": "Offline",
    "server": "Server",
    "singlestream": "SingleStream",
    "multistream": "MultiStream",
    "interactive": "Interactive",
}
_EXPECTED = {
    "offline": "offline_expected_qps",
    "server": "server_target_qps",
    "singlestream": "single_stream_expected_latency_ns",
    "multistream": "multi_stream_expected_latency_ns",
    "interactive": "server_target_qps",
}
"""Scenario to the field of the rate or latency that is expected in it."""
_VARIANTS = ["plain", "maxq", "k_99_9", "triton", "k_99_9+maxq"]
_BACKENDS = ("tensorrt", "tensorrt_rtx")
"""Those to which every field of the generated files applies."""
_SYSTEMS, _BENCHMARKS, _EXPERIMENTS, _SHARED = 24, 16, 6, 22


@attrs.frozen
class GeneratedConf:
    """The tree, and what may be chosen in it."""

    root: Path
    options: dict[str, tuple[str, ...]]
    tuned: tuple[tuple[str, str, str, str], ...]
    """Round, system, benchmark and scenario of each tuned cell."""

    def cells(self, count: int, seed: int) -> list[tuple[str, ...]]:
        """Distinct command lines, half of them aimed at tuned cells, most with overrides of values."""
        draw = random.Random(seed)
        found: dict[tuple[str, ...], None] = {}
        while len(found) < count:
            choices = {group: draw.choice(self.options[group]) for group in GROUPS if group != "experiment"}
            if draw.random() < 0.5:
                aimed = draw.choice(self.tuned)
                choices.update(zip(("tuned_round", "system", "benchmark", "scenario"), aimed, strict=True))
            if draw.random() < 0.5:
                choices["experiment"] = draw.choice(self.options["experiment"])
            words = [f"{group}={option}" for group, option in choices.items()]
            overrides = draw.sample(_overrides(draw, choices["scenario"]), k=draw.randint(0, 3))
            line = (*words, "round=v5.1", *overrides)
            found[line] = None
        return list(found)


def generate(root: Path, seed: int = 7) -> GeneratedConf:
    """Write the tree below ``root``, which is to be empty."""
    draw = random.Random(seed)
    files: dict[str, dict[str, Any]] = {}
    systems = tuple(f"sys{number:02d}_x{2 ** (number % 4)}" for number in range(_SYSTEMS))
    benchmarks = tuple(f"bench{number:02d}" for number in range(_BENCHMARKS))
    experiments = tuple(f"trial{number}" for number in range(_EXPERIMENTS))
    for number, name in enumerate(systems):
        files[f"system/{name}"] = _system(name, number)
    for number, name in enumerate(benchmarks):
        files[f"benchmark/{name}"] = _benchmark(name, number, draw)
    for number, name in enumerate(experiments):
        files[f"experiment/{name}"] = {
            "loadgen": {"min_duration": f"{20 + number}s", "max_query_count": "${loadgen.min_query_count}"},
            "runtime": {"use_graphs": number % 2 == 0, "gpu_copy_streams": None if number == 3 else number + 1},
        }
    for name, shown in SCENARIOS.items():
        files[f"scenario/{name}"] = {
            "scenario": {"name": shown, "first_try_min_query_count": 100},
            "data": {"source": f"${{benchmark.id}} for {shown} on ${{system.id}}"},
        }
    for name in ("none", *ROUNDS):
        files[f"tuned_round/{name}"] = {"tuned_round": name}
    tuned = _tuned(files, systems, benchmarks, draw)
    _copy_small_groups(files)
    for name, tree in files.items():
        path = root / f"{name}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        header = "" if name.startswith("tuned/") else "# @package _global_\n"
        path.write_text(header + yaml.safe_dump(tree, sort_keys=False), encoding="utf-8")
    config = (conf_root() / "config.yaml").read_text(encoding="utf-8")
    config = config.replace("benchmark: resnet50-mini", f"benchmark: {benchmarks[0]}")
    config = config.replace("backend: onnxruntime", f"backend: {_BACKENDS[0]}")
    (root / "config.yaml").write_text(config.replace("system: generic_cpu", f"system: {systems[0]}"), encoding="utf-8")
    written = len(list(root.rglob("*.yaml")))
    if written != FILES:
        raise AssertionError(f"{written} files were generated, not {FILES}")
    options = {group: tuple(sorted(path.stem for path in (root / group).glob("*.yaml"))) for group in GROUPS}
    options["backend"] = _BACKENDS
    return GeneratedConf(root, options, tuned)


def _system(name: str, number: int) -> dict[str, Any]:
    return {
        "system": {
            "id": name,
            "description": f"${{system.accelerator_count}} accelerators of kind {number % 6}",
            "devices": ["gpu", "cpu"],
            "category": ("datacenter", "edge", "datacenter,edge")[number % 3],
            "accelerator": f"kind {number % 6}",
            "accelerator_count": 2 ** (number % 4),
        },
        "runtime": {"gpu_copy_streams": 1 + number % 4, "start_from_device": number % 2 == 0},
    }


def _benchmark(name: str, number: int, draw: random.Random) -> dict[str, Any]:
    component = f"net{number:02d}"
    return {
        "benchmark": {
            "id": name,
            "family": "resnet50",
            "description": f"${{benchmark.id}}, family ${{benchmark.family}}, {draw.randint(1, 99)} layers",
            "rules_as": "${benchmark.id}",
            "loadgen_key": "${benchmark.rules_as}",
            "components": [component],
            "scenarios": list(SCENARIOS),
            "accuracy_targets": ["k_95", "k_99", "k_99_9"],
            "harnesses": ["native", "triton"],
            "backends": list(_BACKENDS),
            "accuracy_metric": "acc",
            "options": {
                "image_source": "imagenet",
                "height": draw.choice([224, 256]),
                "width": "${benchmark.options.height}",
                "channels": 3,
                "mean": [123.68, 116.78, 103.94],
                "scale": [1.0, 1.0, 1.0],
            },
        },
        "builder": {
            "gpu_batch_size": {component: draw.choice([8, 16, 64])},
            "input_dtype": "fp32",
            "input_format": "linear",
        },
        "model": {
            "path": "models/${benchmark.id}/${builder.input_dtype}.onnx",
            "input_name": "input",
            "output_name": "output",
        },
        "data": {
            "path": f"data/set{number % 5}",
            "tensor_path": "preprocessed_data/${benchmark.id}/${builder.input_dtype}_${builder.input_format}",
            "sample_count": draw.randint(1_000, 50_000),
        },
    }


def _tuned(
    files: dict[str, dict[str, Any]], systems: tuple[str, ...], benchmarks: tuple[str, ...], draw: random.Random
) -> tuple[tuple[str, str, str, str], ...]:
    addresses = list(product(ROUNDS, benchmarks, ("offline", "server")))
    for round_name, benchmark, scenario in draw.sample(addresses, k=_SHARED):
        files[f"tuned/{round_name}/_shared/{benchmark}/{scenario}"] = {
            "builder": {"precision": "int8", "input_dtype": "int8", "active_sms": 100},
            "runtime": {"gpu_inference_streams": draw.randint(1, 8)},
            "when": {"k_99_9": {"builder": {"precision": "fp16", "active_sms": None}}},
        }
    room = FILES - 1 - len(files) - sum(1 for _ in _small_files())
    cells = tuple(
        (r, s, b, c) for r, s, b, c in draw.sample(list(product(ROUNDS, systems, benchmarks, SCENARIOS)), k=room)
    )
    for round_name, system, benchmark, scenario in cells:
        component = benchmark.replace("bench", "net")
        rate = _EXPECTED[scenario]
        files[f"tuned/{round_name}/{system}/{benchmark}/{scenario}"] = {
            "tuned_for": _VARIANTS,
            "backends": list(_BACKENDS),
            "builder": {"gpu_batch_size": {component: 2 ** draw.randint(3, 11)}, "workspace_size": "7GiB"},
            "loadgen": {rate: draw.randint(1_000, 90_000)},
            "when": {
                "maxq": {"loadgen": {rate: draw.randint(500, 900)}, "power": {"power_limit": 300}},
                "k_99_9": {"builder": {"gpu_batch_size": 4}},
                "k_99_9+maxq": {"power": {"power_limit": 450}},
            },
        }
    return cells


def _small_files() -> list[Path]:
    groups = ("accuracy_target", "power_setting", "harness", "backend", "mode")
    return [path for group in groups for path in sorted((conf_root() / group).glob("*.yaml"))]


def _copy_small_groups(files: dict[str, dict[str, Any]]) -> None:
    for path in _small_files():
        files[f"{path.parent.name}/{path.stem}"] = yaml.safe_load(path.read_text(encoding="utf-8"))


def _overrides(draw: random.Random, scenario: str) -> list[str]:
    return [
        f"loadgen.{_EXPECTED[scenario]}={draw.randint(1_000, 99_000)}",
        f"loadgen.performance_sample_count_override={draw.randint(1, 99)}000",
        f"runtime.gpu_copy_streams={draw.randint(1, 9)}",
        f"builder.gpu_batch_size={draw.choice([1, 2, 4])}",
        f"loadgen.min_duration={draw.choice([30, 45])}s",
        f"data.tensor_path=cache/{draw.choice('abc')}",
        f"power.power_limit={draw.choice([250, 350])}",
    ]

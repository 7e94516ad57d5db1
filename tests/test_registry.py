"""What programs rely on: load, get, cells, explain and diff."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from mlperf_registry import Registry
from mlperf_registry.compose.identities import Identities
from mlperf_registry.schema.cell import AXES
from mlperf_registry.schema.problem import ConfigError

H200 = {"system": "H200-SXM-141GBx8", "benchmark": "resnet50"}


@pytest.fixture(scope="module")
def registry(checkout: Path) -> Registry:
    return Registry.load(checkout / "conf", plugins=())


def problems(registry: Registry, **arguments: object) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        registry.get(**arguments)  # type: ignore[arg-type]
    return [str(problem) for problem in caught.value.problems]


def test_get_without_arguments_is_the_default_benchmark_on_a_cpu(registry: Registry) -> None:
    workload = registry.get()
    assert (workload.benchmark.id, workload.system.id, workload.backend.name) == (
        "resnet50-mini",
        "generic_cpu",
        "onnxruntime",
    )
    assert (workload.mode.name, workload.tuned_round) == ("explore", "none")


def test_get_takes_names_as_people_write_them(registry: Registry) -> None:
    workload = registry.get(
        system="h200_sxm_141gbx8", benchmark="ResNet50", scenario="Server", accuracy_target=0.99, power_setting="MaxQ"
    )
    assert str(workload.cell) == "H200-SXM-141GBx8/resnet50/server/k_99/maxq/native"
    assert workload.tuned_round == "v4.1"
    assert workload.loadgen.server_target_qps == 480_000
    assert workload.power.power_limit == 400


def test_get_with_overrides(registry: Registry) -> None:
    workload = registry.get(**H200, overrides=["loadgen.offline_expected_qps=5", "loadgen.min_duration=2min"])
    assert workload.loadgen.offline_expected_qps == 5
    assert workload.loadgen.min_duration == 120_000


def test_published_values_beat_the_benchmark_and_lose_to_the_mode(registry: Registry) -> None:
    workload = registry.get(**H200)
    assert workload.builder.gpu_batch_size == {"resnet50": 2048}
    assert workload.builder.precision == {"resnet50": "int8"}
    assert workload.loadgen.min_duration == 10_000
    assert registry.get(**H200, mode="submission").loadgen.min_duration is None


def test_get_equals_the_cells_workload(registry: Registry) -> None:
    (record,) = registry.cells(
        system="L4x1",
        benchmark="resnet50",
        scenario="offline",
        accuracy_target="k_99",
        power_setting="maxp",
        harness="native",
    )
    assert record.workload() == registry.get(system="L4x1", benchmark="resnet50")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"system": "auto"}, "never looks at the machine"),
        ({"system": "H200"}, "H200-SXM-141GBx8"),
        ({"benchmark": "resnet51"}, "did you mean resnet50"),
        ({"scenario": "interactive"}, "no interactive scenario in any round"),
        ({"benchmark": "resnet50-99.9"}, "no k_99_9 accuracy target"),
        ({"benchmark": "mini", "harness": "triton"}, "no triton harness"),
        ({"system": "L4x1", "backend": "tensort"}, "did you mean tensorrt"),
        ({"overrides": ["round=v6.2"]}, "did you mean v6.1"),
        ({"overrides": ["round=null"]}, "known: v0.7, v1.0"),
        ({"overrides": ["scenario=offline,server"]}, "add -m"),
        ({"overrides": ["~backend"]}, "cannot be left out"),
        ({"overrides": ["~scenario"]}, "cannot be left out"),
        ({"overrides": ["backend={name: tensort}"]}, "tensorrt"),
        ({"overrides": ["benchmark={id: [1]}"]}, "benchmark.id"),
    ],
)
def test_bad_names_and_meaningless_cells_are_refused(
    registry: Registry, arguments: dict[str, object], said: str
) -> None:
    assert any(said in line for line in problems(registry, **arguments))


def test_every_bad_value_is_reported_with_what_set_it(registry: Registry) -> None:
    said = problems(
        registry, overrides=["builder.gpu_batch_size=2.5", "loadgen.min_duration=10", "data.sample_count=-1"]
    )
    assert len(said) == 3
    assert all("[override:" in line for line in said)


def test_bad_values_of_a_users_file_are_reported_with_its_line(checkout: Path, tmp_path: Path) -> None:
    text = "# @package _global_\nsystem:\n  id: mine\n  devices: [cpu]\nruntime:\n  gpu_copy_streams: many\n  typo: 1\n"
    (tmp_path / "mine.yaml").write_text(text, encoding="utf-8")
    registry = Registry.load(checkout / "conf", systems=(tmp_path,), plugins=())
    with pytest.raises(ConfigError) as caught:
        registry.get(system="mine")
    places = {problem.path: (problem.origin, problem.line) for problem in caught.value.problems}
    assert places == {
        "runtime.gpu_copy_streams": (str(tmp_path / "mine.yaml"), 6),
        "runtime.typo": (str(tmp_path / "mine.yaml"), 7),
    }


@pytest.mark.slow
def test_cells_are_the_product_of_the_axes_and_each_has_a_state(registry: Registry) -> None:
    records = list(registry.cells())
    expected = 1
    for axis in AXES:
        expected *= len(registry.library.options(axis))
    assert len(records) == expected
    assert {record.state for record in records} == {"meaningless", "untuned", "tuned"}
    assert len({record.cell for record in records}) == expected


@pytest.mark.parametrize("system", ["H200-SXM-141GBx8", pytest.param("*", marks=pytest.mark.slow)])
def test_every_cell_with_a_meaning_is_well_typed_and_needs_no_hydra(checkout: Path, system: str) -> None:
    registry = Registry.load(checkout / "conf", plugins=())
    for record in registry.cells(system=system):
        if record.state == "meaningless":
            with pytest.raises(ConfigError):
                record.workload()
        else:
            workload = record.workload()
            assert workload.cell == record.cell
            values = workload.tuned_round != "none"
            taken_over = workload.system.base is not None and values
            assert record.state == ("tuned" if values and not taken_over else "untuned")
    assert registry.matrix.handed_over == 0


def test_every_published_variant_is_a_tuned_cell_under_the_rules_of_its_round(registry: Registry) -> None:
    for option in registry.library.tuned.options():
        tuned_round, system, benchmark, scenario, variant = option.split("/")
        if registry.library.tuned.derivations(system):
            continue
        target, harness, power_setting, backend = variant.split("+")
        (record,) = registry.cells(
            system=system,
            benchmark=benchmark,
            scenario=scenario,
            accuracy_target=target,
            harness=harness,
            power_setting=power_setting,
            backend=backend,
            round_name=tuned_round,
        )
        assert (record.state, record.tuned_round) == ("tuned", tuned_round), option


def test_cells_are_filtered_by_globs(registry: Registry) -> None:
    found = {record.cell.system for record in registry.cells(system="*H?00-SXM-141GBx*", benchmark="resnet50")}
    assert found == {"H200-SXM-141GBx1", "H200-SXM-141GBx2", "H200-SXM-141GBx4", "H200-SXM-141GBx8"}
    with pytest.raises(ConfigError, match="did you mean scenario"):
        list(registry.cells(scenarios="offline"))


def test_cells_for_another_backend_or_round_are_judged_so(registry: Registry) -> None:
    assert not [record for record in registry.cells(**H200, backend="onnxruntime") if record.state == "tuned"]
    (record,) = registry.cells(
        **H200, round_name="v5.1", scenario="offline", accuracy_target="k_99", power_setting="maxp", harness="native"
    )
    assert record.workload().round == "v5.1"


def test_a_library_without_its_device_is_said_with_one_that_runs(registry: Registry) -> None:
    cell = ["benchmark=llama3.1-8b", "system=generic_cpu", "backend=vllm"]
    sentence = registry.deviceless(registry.structure(registry.compose(cell, quick=True)))
    lacks = "vllm runs on a gpu, and generic_cpu has none, only a cpu: choose backend=openai_endpoint, or a system"
    assert sentence is not None and sentence.startswith(lacks)
    stated = registry.compose([*cell, "system.devices=[gpu]"], quick=True)
    assert registry.deviceless(registry.structure(stated)) is None
    (said,) = problems(registry, benchmark="llama3.1-8b", system="generic_cpu", backend="openvino")
    assert said.endswith("(choose backend=openai_endpoint)")


def test_explain_one_field(registry: Registry) -> None:
    (explained,) = registry.explain(
        "loadgen.offline_expected_qps", ["benchmark=resnet50", "system=H200-SXM-141GBx8", "power_setting=maxq"]
    )
    assert (explained.value, explained.unit) == (53000, "samples/s")
    assert explained.doc
    tuned = "conf/tuned/v4.1/H200-SXM-141GBx8/resnet50/offline.yaml"
    assert [(link.origin, link.value) for link in explained.chain] == [
        ("field default", None),
        (tuned, 750000),
        (tuned, 53000),
    ]
    assert all(link.line for link in explained.chain[1:])
    assert set(explained.as_json()) == {"path", "value", "unit", "doc", "engine", "chain"}
    assert set(explained.as_json()["chain"][0]) == {"origin", "line", "value"}


def test_explain_says_what_was_chosen_and_why(registry: Registry) -> None:
    (explained,) = registry.explain("round")
    assert explained.chain[-1].origin.startswith("default: newest round that has resnet50")


def test_explain_says_which_builders_read_a_field(registry: Registry) -> None:
    (explained,) = registry.explain("builder.precision")
    assert explained.engine == ("onnxruntime", "tensorrt", "tensorrt_llm", "tensorrt_rtx", "vllm")
    assert explained.value == {"resnet50": "fp32"}
    (explained,) = registry.explain("builder.precision.resnet50")
    assert explained.value == "fp32"


def test_explain_gives_values_in_canonical_units(registry: Registry) -> None:
    (explained,) = registry.explain("loadgen.min_duration", ["loadgen.min_duration=40min"])
    assert (explained.value, explained.unit, explained.chain[-1].value) == (2_400_000, "ms", "40min")


def test_explain_a_section_and_everything(registry: Registry) -> None:
    everything = {explained.path for explained in registry.explain()}
    section = {explained.path for explained in registry.explain("loadgen")}
    assert section == {path for path in everything if path.startswith("loadgen.")}
    assert {"benchmark.options.height", "backend.options.graph_optimization", "round"} <= everything


@pytest.mark.parametrize(("system", "base", "rate"), [("L4x4", "L4x1", 4), ("L4x1", None, None)])
def test_explain_a_section_that_may_be_absent(
    registry: Registry, system: str, base: str | None, rate: float | None
) -> None:
    words = [f"system={system}", "benchmark=resnet50"]
    (explained,) = registry.explain("system.base.system", words)
    assert explained.value == base
    assert [setting.line is None for setting in explained.chain] == ([] if base is None else [False])
    found = {one.path: one.value for one in registry.explain("system.base", words)}
    assert found["system.base.rate_factor"] == rate


def test_explain_an_unknown_path(registry: Registry) -> None:
    with pytest.raises(ConfigError, match=r"did you mean loadgen\.offline_expected_qps"):
        registry.explain("loadgen.ofline_expected_qps")


def test_what_is_tuned_is_known(registry: Registry) -> None:
    tuned = registry.compose(["system=L4x1", "benchmark=resnet50"])
    assert registry.is_tuned(tuned)
    assert [choice.key for choice in tuned.chosen] == ["backend", "round", "tuned_round"]
    assert not registry.is_tuned(registry.compose([]))


def test_diff_names_every_leaf_that_differs(registry: Registry) -> None:
    left, right = registry.get(**H200), registry.get(**H200, overrides=["runtime.gpu_copy_streams=9"])
    (difference,) = registry.diff(left, right)
    assert (difference.path, difference.left, difference.right) == ("runtime.gpu_copy_streams", 2, 9)
    assert registry.diff(left, left) == []


def test_importing_the_registry_does_not_import_hydra(checkout: Path) -> None:
    seen = "print([name for name in ('hydra', 'omegaconf') if name in sys.modules])"
    cells = "list(Registry.load().cells(system='L4x1', benchmark='resnet50'))"
    code = f"import sys; from mlperf_registry import Registry; {cells}; {seen}"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=checkout,
        env={"PYTHONPATH": str(checkout)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "[]"


def test_a_file_whose_section_has_another_name_is_refused(checkout: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("# @package _global_\nsystem: {id: other, devices: [cpu]}\n", encoding="utf-8")
    registry = Registry.load(checkout / "conf", systems=(tmp_path,), plugins=())
    assert problems(registry, system="mine") == [
        f"system.id: is 'other' in the file of 'mine' (write id: mine) [{tmp_path}/mine.yaml:2]"
    ]


def test_an_option_by_its_own_name_needs_nobodys_aliases(monkeypatch):
    def read(self, group):
        raise AssertionError(f"every file of {group} is read")

    monkeypatch.setattr(Identities, "aliases", read)
    words = ["system=DGX-H100_H100-SXM-80GBx1", "benchmark=resnet50"]
    assert Registry.load().translate(words) == words

"""One cell through Hydra: order of values, roots, provenance, and an answer to every mistake."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig

from mlperf_registry.compose.cell import compose_cell
from mlperf_registry.compose.composed import Choice, Setting
from mlperf_registry.compose.library import Library, Roots
from mlperf_registry.schema.problem import ConfigError

TUNED = ["system=H200-SXM-141GBx8", "benchmark=resnet50", "tuned_round=v4.1", "backend=tensorrt"]
Write = Callable[[Mapping[str, str]], Path]


def refused(library: Library, *overrides: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        compose_cell(library, overrides)
    said = [str(problem) for problem in caught.value.problems]
    assert not any("use +" in line or "append to your config" in line for line in said)
    return said


def test_values_come_in_the_order_of_the_design(library: Library) -> None:
    overrides = [*TUNED, "power_setting=maxq", "loadgen.offline_expected_qps=5"]
    chain = compose_cell(library, overrides).chain("loadgen.offline_expected_qps")
    where = "conf/tuned/v4.1/H200-SXM-141GBx8/resnet50/offline.yaml"
    assert [(setting.origin, setting.value) for setting in chain] == [
        (where, 750000),
        (where, 53000),
        ("override:loadgen.offline_expected_qps=5", 5),
    ]
    origins = [setting.origin for setting in compose_cell(library, TUNED).chain("builder.precision")]
    assert origins == ["conf/backend/tensorrt.yaml", "conf/tuned/v4.1/_shared/resnet50/offline.yaml"]


def test_every_group_of_the_primary_config_is_stronger_than_the_one_above_it(checkout: Path, write: Write) -> None:
    groups = [
        "backend",
        "benchmark",
        "scenario",
        "accuracy_target",
        "power_setting",
        "harness",
        "system",
        "tuned_round",
        "mode",
        "experiment",
    ]
    config = (checkout / "conf" / "config.yaml").read_text(encoding="utf-8")
    files = {
        f"conf/{group}/{option}.yaml": f"# @package _global_\nwon: {group}\n" for group in groups for option in ["one"]
    }
    root = write({"conf/config.yaml": config, **files})
    composed = compose_cell(Library(Roots(root / "conf")), [f"{group}=one" for group in groups])
    assert [setting.value for setting in composed.chain("won")] == groups


def test_lines_and_reasons_are_part_of_the_chain(library: Library) -> None:
    composed = compose_cell(library, ["round=v5.1"], [Choice("round", "v6.1", "newest round that has it")])
    assert composed.chain("round") == (
        Setting("default: newest round that has it", None, "v6.1"),
        Setting("override:round=v5.1", None, "v5.1"),
    )
    (setting,) = composed.chain("benchmark.family")
    assert setting.origin == "conf/benchmark/resnet50-mini.yaml"
    assert setting.line is not None
    assert composed.origin(("benchmark", "family")) == (setting.origin, setting.line)
    assert composed.origin(("no", "where")) == (None, None)


def test_nulls_are_dropped_and_unset_weaker_values(library: Library) -> None:
    composed = compose_cell(library, ["loadgen.min_duration=null"])
    assert "min_duration" not in composed.tree["loadgen"]
    assert composed.chain("loadgen.min_duration")[-1].value is None
    assert composed.tree["power"] == {}


def test_a_component_may_be_added_and_a_section_replaced(library: Library) -> None:
    composed = compose_cell(library, ["builder.gpu_batch_size.resnet50=4"])
    assert composed.tree["builder"]["gpu_batch_size"] == {"resnet50": 4}


def test_plus_and_tilde_on_known_keys(library: Library) -> None:
    composed = compose_cell(
        library, ["+loadgen.offline_expected_qps=7", "++runtime.use_graphs=true", "~loadgen.min_duration"]
    )
    assert composed.tree["loadgen"]["offline_expected_qps"] == 7
    assert composed.tree["runtime"]["use_graphs"] is True
    assert "min_duration" not in composed.tree["loadgen"]
    assert composed.origin(("loadgen", "min_duration")) == (None, None)
    assert composed.chain("loadgen.min_duration")[-1].origin == "override:~loadgen.min_duration"


def test_a_users_system_and_a_plugins_benchmark_are_options(small_gpu_only: Library) -> None:
    composed = compose_cell(small_gpu_only, ["system=cpu_box", "benchmark=gpu_only"])
    assert composed.tree["system"]["id"] == "cpu_box"
    assert composed.chain("runtime.gpu_copy_streams")[-1].origin == str(
        small_gpu_only.roots.systems[0] / "cpu_box.yaml"
    )
    assert composed.origin(("benchmark", "id"))[0] == "package/conf/benchmark/gpu_only.yaml"
    assert composed.tree["benchmark"]["options"]["height"] == 224


def test_a_system_that_builds_on_another(small_gpu_only: Library) -> None:
    root = small_gpu_only.roots.systems[0]
    (root / "twin.yaml").write_text(
        "# @package _global_\ndefaults: [generic_cpu, _self_]\nsystem: {id: twin}\n", encoding="utf-8"
    )
    composed = compose_cell(Library(small_gpu_only.roots), ["system=twin"])
    assert composed.tree["system"] == {
        "id": "twin",
        "description": "A machine without an accelerator",
        "devices": ["cpu"],
        "match": {"cpu": {}, "accelerator": {}},
        "submission": {},
    }
    assert [setting.origin for setting in composed.chain("system.id")] == [
        "conf/system/generic_cpu.yaml",
        str(root / "twin.yaml"),
    ]


def test_two_roots_with_one_name_are_an_error(checkout: Path, write: Write) -> None:
    root = write({"systems/generic_cpu.yaml": "system: {}\n"})
    library = Library(Roots(checkout / "conf", (), (root / "systems",)))
    assert "two files define it" in refused(library, "system=generic_cpu")[0]


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("benchmark=resnet5", "did you mean resnet50"),
        ("scenario=x", "known: interactive, multistream, offline, server, singlestream"),
        ("mode=../scenario/server", "there is no mode '../scenario/server'"),
        ("mode=/etc/x", "there is no mode '/etc/x'"),
        ("bencmark=resnet50", "did you mean benchmark"),
        ("loadgen.ofline_expected_qps=3", "did you mean loadgen.offline_expected_qps"),
        ("+loadgen.ofline_expected_qps=3", "did you mean loadgen.offline_expected_qps"),
        ("++loadgen.ofline_expected_qps=3", "did you mean loadgen.offline_expected_qps"),
        ("~loadgen.ofline_expected_qps", "did you mean loadgen.offline_expected_qps"),
        ("loadgen={ofline_expected_qps: 3}", "did you mean loadgen.offline_expected_qps"),
        ("runtime.offline_expected_qps=3", "did you mean loadgen.offline_expected_qps"),
        ("power.x=3", "known: power.cpu_freq, "),
        ("scenario=offline,server", "add -m"),
        ("~benchmark", "cannot be left out"),
        ("benchmark=null", "leave it out"),
        ("benchmark=[resnet50]", "takes one option"),
        ("tuned=somewhere", "there is no tuned 'somewhere'"),
        ("model@data=resnet50", "cannot be given another place"),
        ("data.path=${nope}", "Interpolation key 'nope' not found"),
        ("data.path=${data.path}", "cannot be set so"),
        ("=3", "it has no key"),
        ("loadgen", "no override"),
        ("hydra/launcher=nope", "hydra/launcher/nope"),
        ("defaults=[]", "there is no such key"),
        ("+defaults=[]", "there is no such key"),
        ("benchmark_fields=resnet50", "leave it out"),
        ("data.path=???", "??? is no value"),
        ("builder=[1]", "cannot be set so"),
        ("a.b=1", "known: accuracy_target, backend"),
        ("hydra.nope=1", "nope"),
    ],
)
def test_each_mistake_is_answered(library: Library, override: str, said: str) -> None:
    assert any(said in line for line in refused(library, override))


def test_all_mistakes_are_answered_at_once(library: Library) -> None:
    said = refused(library, "scenario=x", "benchmark=y", "loadgen.foo=3", "a=1,2", "+power.bar=1", "oops")
    assert len(said) == 6


def test_a_broken_file_is_named_with_its_line(checkout: Path, write: Write) -> None:
    root = write({"systems/mine.yaml": "system:\n  id: [\n"})
    library = Library(Roots(checkout / "conf", (), (root / "systems",)))
    assert any("systems/mine.yaml:" in line for line in refused(library, "system=mine"))


def test_hydras_globals_and_logging_are_left_alone(
    library: Library, checkout: Path, caplog: pytest.LogCaptureFixture
) -> None:
    handlers = list(logging.getLogger().handlers)
    compose_cell(library, ["scenario=server"])
    assert not GlobalHydra.instance().is_initialized()
    assert not HydraConfig.initialized()
    assert logging.getLogger().handlers == handlers
    assert caplog.records == []


def test_composing_inside_another_hydra_application(library: Library, write: Write) -> None:
    root = write({"app/main.yaml": "x: 1\n"})
    with initialize_config_dir(str(root / "app"), version_base="1.2"):
        assert compose("main").x == 1
        assert compose_cell(library, ["scenario=server"]).tree["scenario"]["name"] == "Server"
        assert compose("main", overrides=["x=2"]).x == 2

"""A user's own systems, experiments and tuned values, and an answer with file and line to what is wrong in them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from mlperf_registry import Registry
from mlperf_registry.schema.problem import ConfigError

Write = Callable[[Mapping[str, str]], Path]
HEADER = "# @package _global_\n"
BOX = HEADER + "system: {id: box, devices: [cpu]}\n"
TUNED = "tuned/v6.1/box/resnet50-mini/offline.yaml"
PLAIN = {
    "benchmark": "resnet50-mini",
    "scenario": "offline",
    "accuracy_target": "k_99",
    "power_setting": "maxp",
    "harness": "native",
}
VALUES = "backends: [onnxruntime]\nbuilder: {gpu_batch_size: 3}\n"


@pytest.fixture
def having(checkout: Path, write: Write) -> Callable[..., Registry]:
    """A registry with a system ``box`` of the user's, and the user's other files."""

    def make(files: Mapping[str, str] | None = None, *, plugins: tuple[str, ...] = ()) -> Registry:
        named = {f"systems/{name}": text for name, text in {"box.yaml": BOX, **(files or {})}.items()}
        root = write(named)
        return Registry.load(
            checkout / "conf", systems=(root / "systems",), plugins=[root / "systems" / name for name in plugins]
        )

    return make


def refused(registry: Registry, *overrides: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        registry.structure(registry.compose(overrides))
    with pytest.raises(ConfigError) as quick:
        registry.structure(registry.compose(overrides, quick=True))
    assert quick.value.problems == caught.value.problems
    return [str(problem) for problem in caught.value.problems]


@pytest.mark.parametrize(
    ("override", "cure"),
    [
        ("system.id=../../x2", "system=... chooses another"),
        ("system.id=L4x1", "choose system=L4x1"),
        ("benchmark.id=resnet50", "choose benchmark=resnet50"),
        ("scenario.name=Interactive", "choose scenario=interactive"),
        ("accuracy_target.name='0.999'", "choose accuracy_target=k_99_9"),
        ("power_setting={name: MaxQ}", "choose power_setting=maxq"),
        ("harness.name=../../zz", "harness=... chooses another"),
        ("backend.name=tensorrt", "choose backend=tensorrt"),
        ("mode.name=submission", "choose mode=submission"),
    ],
)
def test_an_override_does_not_rename_an_option(having: Callable[..., Registry], override: str, cure: str) -> None:
    assert any("is not what" in line and cure in line for line in refused(having(), "system=box", override))


def test_saying_what_is_so_anyway_is_no_mistake(having: Callable[..., Registry]) -> None:
    assert having().get(overrides=["scenario.name=Offline"]).scenario.name == "Offline"


@pytest.mark.parametrize(
    ("files", "line"),
    [
        ({"box.yaml": BOX + "scenario: {name: Server}\n"}, "box.yaml:3"),
        ({TUNED: VALUES + "scenario: {name: Server}\n"}, f"{TUNED}:3"),
        ({"experiment/fast.yaml": HEADER + "scenario: {name: Server}\n"}, "experiment/fast.yaml:2"),
    ],
)
def test_nor_does_a_file(having: Callable[..., Registry], files: dict[str, str], line: str) -> None:
    words = ["system=box", *(["experiment=fast"] if "experiment/fast.yaml" in files else [])]
    (said,) = refused(having(files), *words)
    assert "choose scenario=server" in said
    assert f"{line}]" in said


def test_an_option_may_take_its_name_from_the_one_that_it_builds_on(having: Callable[..., Registry]) -> None:
    quick = HEADER + "defaults: [explore, _self_]\nloadgen: {min_duration: 1s}\n"
    registry = having({"brought/conf/mode/quick.yaml": quick}, plugins=("brought/conf",))
    workload = registry.get(system="box", mode="quick")
    assert (workload.mode.name, workload.loadgen.min_duration) == ("explore", 1_000)


def test_an_id_that_leaves_its_folder_is_refused(having: Callable[..., Registry]) -> None:
    registry = having({"a..b.yaml": BOX.replace("box", "a..b")})
    assert "cannot name a folder" in refused(registry, "system=a..b")[0]


def test_tuned_values_of_a_round_that_nobody_published_apply(having: Callable[..., Registry]) -> None:
    registry = having({TUNED: VALUES})
    workload = registry.get(system="box")
    assert workload.tuned_round == "v6.1"
    assert dict(workload.builder.gpu_batch_size or {}) == {"resnet50": 3}
    assert registry.get(system="box", tuned_round="v6.1") == workload
    (record,) = registry.cells(system="box", **PLAIN)
    assert (record.state, record.workload()) == ("tuned", workload)
    (explained,) = registry.explain("tuned_round", ["system=box"])
    assert explained.chain[-1].origin.endswith("systems/tuned/v6.1")
    assert registry.matrix.handed_over == 0


@pytest.mark.parametrize(
    ("path", "meant"),
    [
        ("tuned/v6.1/box/resnet50-mni/offline.yaml", "did you mean resnet50-mini"),
        ("tuned/v6.1/box/resnet50-mini/ofline.yaml", "did you mean offline"),
    ],
)
def test_a_tuned_file_that_no_cell_reads_is_told(having: Callable[..., Registry], path: str, meant: str) -> None:
    (said,) = refused(having({path: VALUES}), "system=box")
    assert meant in said
    assert path in said


def test_a_tuned_file_does_not_set_the_round(having: Callable[..., Registry]) -> None:
    assert "choose round=" in refused(having({TUNED: VALUES + "round: v5.1\n"}), "system=box")[0]


def test_experiments_lie_beside_systems(having: Callable[..., Registry]) -> None:
    registry = having({"experiment/fast.yaml": HEADER + "loadgen: {min_duration: 2s}\n"})
    assert registry.get(overrides=["experiment=fast"]).loadgen.min_duration == 2_000
    assert "did you mean fast" in refused(registry, "experiment=fst")[0]


def test_without_any_experiment_their_place_is_told(having: Callable[..., Registry]) -> None:
    (said,) = refused(having(), "experiment=foo")
    assert "there are no experiments (put one at systems/experiment/foo.yaml)" in said


def test_a_round_that_a_file_sets_counts_as_given(having: Callable[..., Registry]) -> None:
    files = {"box.yaml": BOX + "round: v5.1\n", "experiment/old.yaml": HEADER + "round: v5.0\n", TUNED: VALUES}
    registry = having(files)
    workload = registry.get(system="box")
    assert (workload.round, workload.tuned_round) == ("v5.1", "none")
    assert registry.get(system="box", overrides=["experiment=old"]).round == "v5.0"
    assert registry.get(system="box", overrides=["round=v6.1"]).tuned_round == "v6.1"
    (record,) = registry.cells(system="box", **PLAIN)
    assert record.workload() == workload


def test_a_round_that_a_file_sets_must_exist(having: Callable[..., Registry]) -> None:
    (said,) = refused(having({"box.yaml": BOX + "round: v6.2\n"}), "system=box")
    assert "did you mean v6.1" in said
    assert "box.yaml:3]" in said


@pytest.mark.parametrize(
    ("text", "said", "line"),
    [
        ("tuned_round: v5.1\n", "choose tuned_round=v5.1 on the command line", 2),
        ("defaults: [{override /scenario: server}]\n", "choose it on the command line: scenario=server", 2),
        ("defaults: [nope]\n", "there is no experiment 'nope'", 2),
        ("loadgen: {min_duration: 1s}\ndefaults: 5\n", "is no list of options", 3),
        ("defaults: [5]\n", "names no option", 2),
        ("defaults: [e]\n", "builds on itself", 2),
        ("data: {path: x}\nbuilder:\n  gpu_batch_size: ${nope}\n", "Interpolation key 'nope' not found", 4),
    ],
)
def test_a_mistake_in_an_experiment_is_told_with_its_line(
    having: Callable[..., Registry], text: str, said: str, line: int
) -> None:
    (problem,) = refused(having({"experiment/e.yaml": HEADER + text}), "system=box", "experiment=e")
    assert said in problem
    assert problem.endswith(f"experiment/e.yaml:{line}]")


def test_mistakes_in_a_system_are_told_with_their_line(having: Callable[..., Registry]) -> None:
    (said,) = refused(having({"box.yaml": BOX + 'builder:\n  gpu_batch_size: "${nope}"\n'}), "system=box")
    assert said.startswith("builder.gpu_batch_size: ")
    assert said.endswith("box.yaml:4]")


@pytest.mark.parametrize("name", ["box", "experiment/e"])
def test_a_missing_header_is_told(having: Callable[..., Registry], name: str) -> None:
    text = "system: {id: box, devices: [cpu]}\n" if name == "box" else "loadgen: {min_duration: 1s}\n"
    said = refused(having({f"{name}.yaml": text}), *(["system=box"] if name == "box" else ["experiment=e"]))
    assert all("write '# @package _global_' as the first line" in line and f"{name}.yaml:1]" in line for line in said)


def test_a_cell_whose_files_are_wrong_is_not_meaningless(having: Callable[..., Registry]) -> None:
    registry = having({TUNED: "backends: [onnxruntim]\n", "tuned/v5.1/box/resnet50/offline.yaml": "x: [\n"})
    records = list(registry.cells(system="box", scenario="offline", benchmark="resnet50*", power_setting="maxp"))
    wrong = {record.cell.benchmark: record for record in records if record.problems}
    assert set(wrong) == {"resnet50-mini", "resnet50"}
    with pytest.raises(ConfigError, match="did you mean onnxruntime"):
        wrong["resnet50-mini"].workload()


def test_files_are_named_from_where_the_user_works(
    having: Callable[..., Registry], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (explained,) = having().explain("system.id", ["system=box"])
    assert explained.chain[-1].origin == "systems/box.yaml"


def test_two_systems_of_one_name_are_told_apart_by_nobody(checkout: Path, write: Write) -> None:
    root = write({"one/box.yaml": BOX, "two/box.yaml": BOX})
    registry = Registry.load(checkout / "conf", systems=(root / "one", root / "two"), plugins=())
    (said,) = refused(registry, "system=box")
    assert "two files define it" in said
    assert "one/box.yaml and " in said
    assert "two/box.yaml (rename one of them)" in said


def test_a_shipped_system_is_replaced_only_where_the_file_says_so(having: Callable[..., Registry]) -> None:
    text = HEADER + "system: {id: L4x1, devices: [gpu], description: mine}\n"
    (said,) = refused(having({"L4x1.yaml": text}), "system=L4x1")
    assert "two files define it: conf/system/L4x1.yaml and " in said
    assert "replaces_shipped: true" in said
    registry = having({"L4x1.yaml": text.replace("id:", "replaces_shipped: true, id:")})
    assert registry.get(system="L4x1", benchmark="resnet50").system.description == "mine"
    assert registry.get(system="L4x1", benchmark="resnet50").tuned_round == "v4.1"
    assert registry.library.replaced("L4x1") == "conf/system/L4x1.yaml"
    assert registry.library.replaced("L4x2") is None


@pytest.mark.parametrize(
    ("name", "section", "said"),
    [
        ("L4x3", "replaces_shipped: true", "there is no shipped system 'L4x3' to replace (did you mean L4x"),
        ("l4X1", "description: x", "differs from L4x1 only in the case of its letters"),
        ("Box", "description: x", "only in the case of its letters"),
        ("new", "match: {accelerator: {gpu: L5}}", "unknown GPU name 'L5'"),
        ("new", "match: {accelerator: {gpu: H100_SXM_80G}}", "did you mean H100_SXM_80GB"),
    ],
)
def test_what_only_a_users_system_can_say_wrongly(
    having: Callable[..., Registry], name: str, section: str, said: str
) -> None:
    text = HEADER + f"system: {{id: {name}, devices: [gpu], {section}}}\n"
    assert said in "\n".join(refused(having({f"{name}.yaml": text}), f"system={name}", "benchmark=resnet50"))


@pytest.mark.parametrize("accelerator", ["gpu: L4", "gpu: L5, names: [NVIDIA L5]", 'gpu: L5, pci_ids: ["27B8"]'])
def test_a_gpu_is_known_by_a_shipped_name_or_by_more_than_its_name(
    having: Callable[..., Registry], accelerator: str
) -> None:
    text = HEADER + f"system: {{id: new, devices: [gpu], match: {{accelerator: {{{accelerator}}}}}}}\n"
    assert having({"new.yaml": text}).get(system="new", benchmark="resnet50").system.id == "new"

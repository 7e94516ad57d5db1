"""``system=auto`` and commands without a system: what this machine is, told in one line, and what is derived for it."""

import json
from pathlib import Path

import pytest

from mlperf_registry import Registry
from mlperf_registry.cli import auto
from mlperf_registry.cli.auto import Here, find_system
from mlperf_registry.cli.auto_words import asks_for_auto
from mlperf_registry.detect.machine import load_machine
from mlperf_registry.schema.problem import ConfigError

MACHINES = Path(__file__).parents[1] / "data" / "machines"
A10X4 = "UNREGISTERED_x86_64_NVIDIA-A10x4"
TENSORRT = ("benchmark=resnet50", "backend=tensorrt")


@pytest.fixture
def on(monkeypatch):
    """Makes a recorded machine the one that commands run on."""

    def stand(machine: str) -> None:
        monkeypatch.setenv("MLPERF_MACHINE", str(MACHINES / f"{machine}.json"))

    return stand


@pytest.mark.parametrize(
    ("machine", "system"),
    [
        ("dgx_h100", "DGX-H100_H100-SXM-80GBx8"),
        ("gh200", "GH200-GraceHopper-Superchip_GH200-144GB_aarch64x1"),
        ("l4", "L4x1"),
        ("orin", "Orin"),
        ("laptop", "generic_cpu"),
        ("unknown_4gpu", A10X4),
        ("thor", "Thor"),
    ],
)
def test_each_machine_is_some_system(mlperf, on, machine, system):
    on(machine)
    answer = mlperf("validate", "--json")
    assert answer.code == 0, answer.err
    assert answer.json["cell"].startswith(f"{system}/")
    assert answer.err.startswith(f"system={system}: ")


@pytest.mark.parametrize(
    ("words", "asks"),
    [
        ((), True),
        (("system=auto",), True),
        (("system=auto,L4x1",), True),
        (("system=choice(L4x1,auto)",), True),
        (("system.description=auto",), True),
        (("scenario=server", "system=L4x1"), False),
        (("system=automaton",), False),
        (("~system",), False),
    ],
)
def test_when_the_machine_is_asked(words, asks):
    assert asks_for_auto(words) is asks


def test_a_named_system_is_taken_without_a_look(mlperf, monkeypatch):
    monkeypatch.setenv("MLPERF_MACHINE", "/nowhere.json")
    assert mlperf("validate", "system=L4x1", *TENSORRT).code == 0
    answer = mlperf("validate", "--json")
    assert answer.code == 2
    assert answer.json["problems"][0]["path"] == "$MLPERF_MACHINE"


def test_the_first_look_at_a_machine_with_a_gpu_runs_with_what_is_installed(mlperf, on, monkeypatch):
    on("l4")
    monkeypatch.setattr("mlperf_registry.cli.auto._can_run", lambda backend: backend == "onnxruntime")
    answer = mlperf("explain", "backend.name", "--json")
    assert answer.json["value"] == "onnxruntime"
    assert "backend=onnxruntime: tensorrt cannot run here" in answer.err
    assert mlperf("explain", "backend.name", "benchmark=resnet50", "--json").json["value"] == "tensorrt"
    assert mlperf("explain", "backend.name", "backend=tensorrt", "--json").json["value"] == "tensorrt"


def test_an_unknown_machine_runs_on_its_relatives_values_and_says_so(mlperf, on, tmp_path):
    on("unknown_4gpu")
    answer = mlperf("explain", "loadgen.offline_expected_qps", *TENSORRT, "--json")
    theirs = mlperf("explain", "loadgen.offline_expected_qps", *TENSORRT, "system=A10x8", "--json").json["value"]
    assert answer.json["value"] == theirs / 2
    assert "A10x8, x0.5" in answer.json["chain"][-1]["origin"]
    assert (
        "unknown, derived from A10x8 (rates x0.5); nearest known: A10x8, which differs in: accelerators 4" in answer.err
    )
    assert "derived: A10x8's values" in answer.err
    (file,) = tmp_path.glob("build/derived/*/*.yaml")
    assert file.stem == A10X4
    mlperf("explain", "system.id", "--json")
    assert list(tmp_path.glob("build/derived/*/*.yaml")) == [file]
    assert mlperf("systems", "check", str(file)).code == 0


def test_a_run_keeps_what_its_system_is(mlperf, on, tmp_path):
    on("unknown_4gpu")
    quick = ("loadgen.test_mode=PerformanceOnly", "loadgen.min_duration=100ms", "runtime.warmup_duration=10ms")
    answer = mlperf("run", "--json", "backend=onnxruntime", *quick)
    assert answer.code == 0, answer.err
    assert answer.json["system"] == A10X4
    kept = Path(answer.json["log_dir"], "system.yaml")
    (derived,) = tmp_path.glob("build/derived/*/*.yaml")
    assert kept.read_text() == derived.read_text()


def test_a_result_says_whose_values_it_was_made_with(mlperf, tmp_path):
    head = "# @package _global_\nsystem: {id: %s, devices: [cpu]%s}\n"
    tuned = tmp_path / "systems" / "tuned" / "v6.1" / "one" / "resnet50-mini"
    tuned.mkdir(parents=True)
    (tuned / "offline.yaml").write_text(
        "tuned_for: [plain]\nbackends: [onnxruntime]\nloadgen: {offline_expected_qps: 500}\n"
    )
    (tmp_path / "systems" / "one.yaml").write_text(head % ("one", ""))
    (tmp_path / "systems" / "heir.yaml").write_text(head % ("heir", ", base: {system: one, rate_factor: 2}"))
    quick = ("loadgen.test_mode=PerformanceOnly", "loadgen.min_duration=100ms", "runtime.warmup_duration=10ms")
    for name, base, label in (("one", None, "tuned v6.1"), ("heir", "one", "derived from one, v6.1")):
        result = mlperf("run", f"system={name}", "--json", *quick).json
        assert (result["tuned_round"], result.get("derived_from")) == ("v6.1", base)
        assert label in Path(result["report"]).read_text()


def test_a_known_machine_keeps_no_file_of_it(mlperf, on, tmp_path):
    on("l4")
    assert mlperf("run", "--dry-run").code in (0, 3)  # 3: no TensorRT here
    assert list(tmp_path.iterdir()) == []


def test_system_name_chooses_what_is_there_and_says_what_differs(mlperf, on, monkeypatch):
    on("unknown_4gpu")
    monkeypatch.setenv("SYSTEM_NAME", "l4X1")
    answer = mlperf("validate", "--json")
    assert answer.json["cell"].startswith("L4x1/")
    assert "$SYSTEM_NAME says so; this machine differs in: accelerators 4, want 1; GPU NVIDIA A10" in answer.err


@pytest.mark.parametrize(("machine", "base"), [("l4", "L4x1"), ("unknown_4gpu", "A10x8"), ("laptop", None)])
def test_system_name_gives_a_name_of_ones_own(mlperf, on, monkeypatch, machine, base):
    on(machine)
    monkeypatch.setenv("SYSTEM_NAME", "my_box")
    assert mlperf("explain", "system.id", "--json").json["value"] == "my_box"
    system = mlperf("run", "--cfg", "--json").json["system"]
    assert (None if system["base"] is None else system["base"]["system"]) == base


@pytest.mark.parametrize("name", ["a/b", "..", "a..b", "auto", "NULL", "1st", "a b", "x" * 101, "a,b", "ä"])
def test_a_name_that_can_be_none_is_refused(mlperf, monkeypatch, tmp_path, name):
    monkeypatch.setenv("SYSTEM_NAME", name)
    answer = mlperf("run", "--json")
    assert answer.code == 2
    assert answer.json["problems"][0]["path"] == "$SYSTEM_NAME"
    assert list(tmp_path.iterdir()) == []


def test_ones_own_file_of_the_machine_is_found(mlperf, on):
    on("unknown_4gpu")
    assert mlperf("systems", "new", "my_box").code == 0
    assert mlperf("explain", "system.id", "--json").json["value"] == "my_box"


def test_ones_own_file_under_the_unregistered_name_is_taken(mlperf, on):
    on("unknown_4gpu")
    Path("systems").mkdir()
    Path("systems", f"{A10X4}.yaml").write_text(f"# @package _global_\nsystem: {{id: {A10X4}, devices: [cpu]}}\n")
    answer = mlperf("explain", "system.devices", "--json")
    assert answer.json["value"] == ["cpu"]


def test_a_wrong_file_of_ones_own_is_told_since_the_machine_might_be_it(mlperf):
    Path("systems").mkdir()
    Path("systems/box.yaml").write_text("# @package _global_\nsystem: {id: box, devices: [cpux]}\n")
    answer = mlperf("validate")
    assert answer.code == 2
    assert "systems/box.yaml:2" in answer.err
    assert mlperf("validate", "system=generic_cpu").code == 0


def test_a_question_needs_no_folder_to_write_to_and_a_run_does(mlperf, on, tmp_path):
    on("unknown_4gpu")
    Path("build").write_text("in the way")
    asked = mlperf("explain", "loadgen.offline_expected_qps", *TENSORRT, "--json")
    assert asked.code == 0, asked.err
    assert "of A10x8, x0.5" in asked.json["chain"][-1]["origin"]
    assert mlperf("validate", *TENSORRT).code == 0
    answer = mlperf("run", "--json", "backend=onnxruntime")
    assert answer.code == 3
    assert "--build-dir" in answer.err
    assert list(tmp_path.iterdir()) == [tmp_path / "build"]


def test_where_nothing_can_be_written_at_all_is_not_ready(mlperf, on, monkeypatch):
    def full_disk(*_, **__):
        raise OSError(28, "No space left on device")

    on("unknown_4gpu")
    monkeypatch.setattr(auto, "write_text", full_disk)
    answer = mlperf("validate", "--json")
    assert answer.code == 3
    assert "No space left on device" in answer.json["error"]["message"]


def test_a_folder_of_systems_that_may_not_be_read_is_told(mlperf, monkeypatch):
    Path("systems").mkdir()
    monkeypatch.setattr("os.access", lambda path, mode: Path(path).name != "systems")
    answer = mlperf("systems", "match", "--json")
    assert answer.code == 2
    assert "may not be read" in answer.json["problems"][0]["message"]


def test_both_sides_of_a_diff_are_this_machine(mlperf, on):
    on("unknown_4gpu")
    answer = mlperf("diff", "scenario=offline", "scenario=server", "--json")
    assert answer.code == 0, answer.err
    assert "system.id" not in {one["path"] for one in answer.json["differences"]}


def test_configurations_are_values(mlperf, on):
    on("l4")
    assert Registry.load().get().system.id == "generic_cpu"
    with pytest.raises(ConfigError, match="never looks at the machine"):
        Registry.load().get(system="auto")


def test_a_machine_is_looked_at_once(monkeypatch, tmp_path):
    looks = []
    monkeypatch.setattr(
        "mlperf_registry.cli.auto.machine_here", lambda: looks.append(1) or load_machine(MACHINES / "l4.json")
    )
    told: list[str] = []
    here = Here(Registry.load(), tmp_path)
    words = [here.settle((f"scenario={name}",), told.append)[1] for name in ("offline", "server")]
    assert [one[0] for one in words] == ["system=L4x1", "system=L4x1"]
    assert len(looks) == 1
    assert sum(line.startswith("system=") for line in told) == 1


def test_a_tie_is_told(tmp_path):
    (tmp_path / "twin.yaml").write_text(_l4("twin"))
    (tmp_path / "other.yaml").write_text(_l4("other"))
    found = find_system(Registry.load(systems=[tmp_path]), load_machine(MACHINES / "l4.json"))
    assert found.system.id in ("twin", "other")
    assert "choose with system=" in found.why


def test_the_cfg_of_a_derived_system_can_be_read_back(mlperf, on):
    on("unknown_4gpu")
    answer = mlperf("run", "--cfg", "--json")
    assert json.loads(answer.out)["system"]["base"]["system"] == "A10x8"


def _l4(name: str) -> str:
    rules = "{gpu: L4, pci_ids: ['27B8'], compute_sm: 89, vram: [23GiB], power_limit_watts: 72}"
    head = f"# @package _global_\nsystem:\n  id: {name}\n  devices: [gpu, cpu]\n  accelerator_count: 1\n"
    cpu = "{architecture: x86_64, cores_per_socket: [16], threads_per_core: [2], sockets: 1, vendor: AuthenticAMD}"
    return f"{head}  match: {{accelerator: {rules}, cpu: {cpu}, host_memory: 100GiB}}\n"

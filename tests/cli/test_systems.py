"""``mlperf systems``: detect, match, new, check, show and describe, on recorded machines."""

import json
from pathlib import Path

import pytest

from mlperf_registry.cli.verbs import VERBS
from mlperf_registry.detect.machine import load_machine
from mlperf_registry.structure import unstructure
from mlperf_registry.systems.numa import own_string

MACHINES = Path(__file__).parents[1] / "data" / "machines"
ALL = sorted(path.stem for path in MACHINES.glob("*.json"))


def machine(name: str) -> tuple[str, str]:
    """The flag that replays a recording."""
    return "--machine", str(MACHINES / f"{name}.json")


@pytest.mark.parametrize("name", ALL)
def test_detect_prints_a_machine_that_can_be_read_back(mlperf, tmp_path, name):
    answer = mlperf("systems", "detect", "--json", *machine(name))
    assert answer.json == unstructure(load_machine(MACHINES / f"{name}.json"))
    (tmp_path / "again.json").write_text(answer.out)
    assert mlperf("systems", "detect", "--json", "--machine", "again.json").json == answer.json
    shown = mlperf("systems", "detect", *machine(name)).out
    assert " DETECTED SYSTEM " in shown
    assert all(note in shown for note in answer.json["notes"])


def test_detect_has_the_form_of_nvidias_block(mlperf):
    lines = mlperf("systems", "detect", *machine("dgx_h100")).out.splitlines()
    for line in (
        "SystemConfiguration:",
        "    CPUConfiguration:",
        "        2x CPU (x86_64): Intel(R) Xeon(R) Platinum 8480C",
        "            56 Cores, 2 Threads/Core",
        "        8x GPU (0x233010DE): NVIDIA H100 80GB HBM3",
        "            AcceleratorType: Discrete",
        "            SM Compute Capability: 90",
        "            Max Power Limit: 700.0 W",
        "    NUMA Config String: 0-3:0-55,112-167&4-7:56-111,168-223",
    ):
        assert line in lines


def test_detect_shows_slices(mlperf):
    shown = mlperf("systems", "detect", *machine("dgx_a100_mig")).out
    assert "56x MIG slice" in shown
    assert "MIG Profile: 1g.10gb" in shown


def test_a_recording_of_this_machine_stands_for_it(mlperf, monkeypatch, tmp_path):
    monkeypatch.delenv("MLPERF_MACHINE")
    here = mlperf("systems", "detect", "--json", "--record", "here.json").json
    assert [path.name for path in tmp_path.iterdir()] == ["here.json"]
    assert mlperf("systems", "detect", "--json", "--machine", "here.json").json == here
    monkeypatch.setenv("MLPERF_MACHINE", "here.json")
    assert mlperf("systems", "detect", "--json").json == here


def test_match_tells_the_system_and_what_the_others_differ_in(mlperf):
    found = mlperf("systems", "match", "--json", *machine("l4")).json
    assert (found["best"], found["system"], found["derived"]) == ("L4x1", "L4x1", False)
    first, *others = found["candidates"]
    assert first["matches"] and {one["verdict"] for one in first["rules"]} == {"same"}
    assert others and not any(one["matches"] for one in others)
    shown = mlperf("systems", "match", *machine("l4")).out
    assert "accelerators 1, want" in shown
    assert shown.splitlines()[-1].startswith("system=L4x1: this machine has 1 x NVIDIA L4")


def test_match_of_the_unknown_tells_what_would_be_derived(mlperf, tmp_path):
    found = mlperf("systems", "match", "--json", *machine("unknown_4gpu")).json
    assert (found["best"], found["derived"]) == (None, True)
    assert found["system"] == "UNREGISTERED_x86_64_NVIDIA-A10x4"
    assert "No known system" in mlperf("systems", "match", *machine("laptop")).out
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", [name for name in ALL if name != "laptop"])
def test_new_makes_each_machine_a_system_that_it_is(mlperf, name):
    answer = mlperf("systems", "new", "my_box", "--json", *machine(name))
    assert answer.code == 0, answer.err
    assert answer.json["file"] == "systems/my_box.yaml"
    assert "mlperf run system=my_box" in answer.err
    checked = mlperf("systems", "check", "systems/my_box.yaml", "--json", *machine(name)).json
    assert checked == {"system": "my_box", "matches": True, "differs_in": "", "problems": []}
    assert mlperf("systems", "match", "--json", *machine(name)).json["best"] == "my_box"


def test_new_shows_the_relatives_values_with_rates_scaled(mlperf):
    mlperf("systems", "new", "my_box", *machine("unknown_4gpu"))
    text = Path("systems/my_box.yaml").read_text()
    assert "base: {system: A10x8, rate_factor: 0.5" in text
    theirs = mlperf("explain", "loadgen.offline_expected_qps", "system=A10x8", "benchmark=resnet50", "--json").json
    assert f"offline_expected_qps: {theirs['value'] / 2}" in text
    assert "offline_expected_qps: 0" not in text


@pytest.mark.parametrize("name", ["dgx_h100", "orin", "laptop"])
def test_new_shows_the_numa_string_and_what_a_submission_must_say(mlperf, name):
    mlperf("systems", "new", "my_box", *machine(name))
    file = Path("systems/my_box.yaml")
    lines = file.read_text().splitlines()
    string = next(line for line in lines if line.startswith("# runtime: "))
    assert json.dumps(own_string(load_machine(MACHINES / f"{name}.json"))) in string
    start = lines.index("  # submission:")
    block = [line for line in lines[start:] if line.startswith("  # ")]
    missing = mlperf("systems", "describe", "my_box", "--json", *machine(name)).json["problems"]
    assert [line.split()[1] for line in block[1:]] == [f"{one['path'].rpartition('.')[2]}:" for one in missing]
    # Uncommented as it stands it says nothing yet, and is sound.
    file.write_text("\n".join(line.replace("  # ", "  ", 1) if line in block else line for line in lines))
    assert mlperf("systems", "check", str(file), *machine(name)).code == 0
    assert mlperf("systems", "describe", "my_box", "--json", *machine(name)).json["problems"] == missing


def test_new_from_a_system_of_choice(mlperf):
    answer = mlperf("systems", "new", "my_box", "--from", "l4X1", "--json", *machine("unknown_4gpu"))
    assert answer.json["base"] == "L4x1"
    answer = mlperf("systems", "new", "other", "--from", "L4xx1")
    assert answer.code == 2
    assert "did you mean L4x1" in answer.err


def test_new_goes_to_the_first_folder_of_systems(mlperf, tmp_path):
    (tmp_path / "mine").mkdir()
    assert mlperf("systems", "new", "my_box", "--systems", "mine").out == "mine/my_box.yaml\n"
    assert mlperf("explain", "system.id", "system=my_box", "--systems", "mine").code == 0


def test_new_never_overwrites_without_force(mlperf):
    mlperf("systems", "new", "my_box", *machine("unknown_4gpu"))
    before = Path("systems/my_box.yaml").read_text()
    answer = mlperf("systems", "new", "my_box", *machine("l4"))
    assert answer.code == 2
    assert "--force overwrites it" in answer.err
    assert Path("systems/my_box.yaml").read_text() == before
    assert mlperf("systems", "new", "my_box", "--force", *machine("l4")).code == 0
    assert "A10" not in Path("systems/my_box.yaml").read_text()


def test_new_takes_the_place_of_a_shipped_system_only_with_force(mlperf):
    answer = mlperf("systems", "new", "L4x1", *machine("l4"))
    assert answer.code == 2
    assert not Path("systems").exists()
    assert mlperf("systems", "new", "L4x1", "--force", "--json", *machine("l4")).json["replaces_shipped"] is True
    answer = mlperf("explain", "loadgen.offline_expected_qps", "system=L4x1", "benchmark=resnet50", "--json")
    assert answer.json["chain"][-1]["origin"] == "conf/tuned/v4.1/L4x1/resnet50/offline.yaml"
    assert "system=L4x1: yours, in place of conf/system/L4x1.yaml" in answer.err


@pytest.mark.parametrize("name", ["a/b", "../a", "..", "a\\b", "auto", "True", "tuned", "1st", "a b", "a,b", ""])
def test_new_refuses_names_that_can_be_none(mlperf, tmp_path, name):
    assert mlperf("systems", "new", name).code == 2
    assert list(tmp_path.iterdir()) == []


def test_new_refuses_a_name_that_differs_in_case_alone(mlperf, tmp_path):
    answer = mlperf("systems", "new", "l4X1")
    assert answer.code == 2
    assert "differs from L4x1 only in the case" in answer.err
    assert list(tmp_path.iterdir()) == []


def test_new_refuses_a_name_that_another_folder_has(mlperf, tmp_path):
    (tmp_path / "mine").mkdir()
    mlperf("systems", "new", "my_box", "--systems", "mine")
    answer = mlperf("systems", "new", "my_box", "--systems", str(tmp_path / "mine"), "--force", *machine("l4"))
    assert answer.code == 0, answer.err
    (tmp_path / "more").mkdir()
    answer = mlperf("systems", "new", "my_box", "--systems", "more", "--systems", "mine", "--force")
    assert answer.code == 2
    assert list((tmp_path / "more").iterdir()) == []


WRONG = """\
# @package _global_
system:
  id: box
  devices: [cpu]
  category: office
  match:
    host_memory: 100GBs
    accelerator: {gpu: L44}
runtime: {numa_config: 0-1&1-}
loadgen: {server_target_qp: 4}
"""


def test_check_puts_every_problem_into_one_report(mlperf, tmp_path):
    (tmp_path / "box.yaml").write_text(WRONG)
    answer = mlperf("systems", "check", "box.yaml", "--json")
    assert answer.code == 2
    found = {(problem["path"], problem["origin"], problem["line"]) for problem in answer.json["problems"]}
    assert found == {
        ("system.category", "box.yaml", 5),
        ("system.match.host_memory", "box.yaml", 7),
        ("system.match.accelerator.gpu", "box.yaml", 8),
        ("runtime.numa_config", "box.yaml", 9),
        ("loadgen.server_target_qp", "box.yaml", 10),
    }


def test_check_names_a_file_in_one_way_and_a_value_once(mlperf):
    Path("systems").mkdir()
    Path("systems/box.yaml").write_text(WRONG.replace("devices: [cpu]", "devices: [gpu, cpu]"))
    problems = mlperf("systems", "check", "systems/box.yaml", "--json").json["problems"]
    assert {problem["origin"] for problem in problems} == {"systems/box.yaml"}
    (string,) = (problem for problem in problems if problem["path"] == "runtime.numa_config")
    assert string["message"].startswith("must be text such as")


HEAD = "# @package _global_\nsystem:\n  id: box\n  devices: [cpu]\n"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (f"{HEAD}  base: {{system: L4x11}}\n", "did you mean L4x1"),
        (HEAD.replace("id: box", "id: fox"), "write id: box"),
        (HEAD.replace("id: box", "id: [box"), "no valid YAML"),
        (HEAD.replace("# @package _global_\n", ""), "# @package _global_"),
        (f"{HEAD}  replaces_shipped: true\n", "no shipped system 'box' to replace"),
        ("[]", "mapping"),
    ],
)
def test_check_says_what_is_wrong_and_where(mlperf, tmp_path, text, told):
    (tmp_path / "box.yaml").write_text(text)
    answer = mlperf("systems", "check", "box.yaml")
    assert answer.code == 2
    assert told in answer.err
    assert "box.yaml" in answer.err
    assert "/mlperf-" not in answer.err


@pytest.mark.parametrize("name", ["nowhere.yaml", "box.yml", "a..b.yaml", "."])
def test_check_needs_the_file_of_a_system(mlperf, tmp_path, name):
    (tmp_path / "box.yml").write_text(HEAD)
    assert mlperf("systems", "check", name).code == 2


def test_check_holds_a_numa_string_against_the_machine_that_the_system_is(mlperf, tmp_path):
    cpu = load_machine(MACHINES / "laptop.json").cpu.model
    rules = f"  match: {{cpu: {{names: ['{cpu}']}}}}\n"
    (tmp_path / "box.yaml").write_text(f"{HEAD}{rules}runtime: {{numa_config: 0-999}}\n")
    answer = mlperf("systems", "check", "box.yaml")
    assert answer.code == 2
    assert "runtime.numa_config: names cores" in answer.err
    (tmp_path / "box.yaml").write_text(f"{HEAD}{rules}runtime: {{numa_config: '0'}}\n")
    assert mlperf("systems", "check", "box.yaml").code == 0
    (tmp_path / "box.yaml").write_text(f"{HEAD}runtime: {{numa_config: 0-999}}\n")
    assert "states no rules" in mlperf("systems", "check", "box.yaml").out


def test_check_lets_pass_what_holds_for_some_cells_only(mlperf, tmp_path):
    (tmp_path / "box.yaml").write_text(f"{HEAD}builder: {{gpu_batch_size: 32}}\nloadgen: {{server_target_qps: 40}}\n")
    assert mlperf("systems", "check", "box.yaml").code == 0


def test_check_does_not_take_other_files_for_systems(mlperf, tmp_path):
    (tmp_path / "compose.yaml").write_text("services: {web: {image: web}}\n")
    (tmp_path / "box.yaml").write_text(HEAD)
    assert mlperf("systems", "check", "box.yaml").code == 0


def test_check_sees_tuned_values_beside_the_file(mlperf, tmp_path):
    (tmp_path / "box.yaml").write_text(HEAD)
    tuned = tmp_path / "tuned" / "v9.9" / "box" / "resnet50"
    tuned.mkdir(parents=True)
    (tuned / "offline.yaml").write_text("tuned_for: [plane]\nbackends: [onnxruntime]\n")
    answer = mlperf("systems", "check", "box.yaml")
    assert answer.code == 2
    assert "tuned/v9.9/box/resnet50/offline.yaml" in answer.err


def test_check_sees_two_files_of_one_name(mlperf, tmp_path):
    for folder in ("systems", "mine"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "box.yaml").write_text(HEAD)
    answer = mlperf("systems", "check", "mine/box.yaml", "--systems", "mine")
    assert answer.code == 2
    assert "two files define it" in answer.err


def test_show_tells_rules_tuned_cells_and_file(mlperf):
    found = mlperf("systems", "show", "l4X1", "--json", *machine("l4")).json
    assert found["file"] == "conf/system/L4x1.yaml"
    assert found["system"]["id"] == "L4x1"
    assert {one["verdict"] for one in found["rules"]} == {"same"}
    assert {"tuned_round": "v4.1", "benchmark": "resnet50", "scenario": "offline"}.items() <= next(
        one for one in found["tuned"] if (one["benchmark"], one["scenario"]) == ("resnet50", "offline")
    ).items()
    shown = mlperf("systems", "show", "L4x1", *machine("unknown_4gpu")).out
    assert "conf/system/L4x1.yaml" in shown
    assert "differs" in shown


def test_show_tells_whose_values_a_system_takes_over(mlperf):
    mlperf("systems", "new", "my_box", *machine("unknown_4gpu"))
    found = mlperf("systems", "show", "my_box", "--json").json
    assert {one["values_of"] for one in found["tuned"]} == {"A10x8"}
    assert "A10x8, rates x0.5" in mlperf("systems", "show", "my_box").out
    assert mlperf("systems", "show", "my_bix").code == 2


def test_describe_lists_all_that_is_missing(mlperf):
    answer = mlperf("systems", "describe", *machine("dgx_h100"))
    assert (answer.code, answer.out) == (2, "")
    for key in ("submitter", "status", "cooling"):
        assert f"system.submission.{key}" in answer.err
    answer = mlperf("systems", "describe", "--json", *machine("dgx_h100"))
    assert answer.code == 2
    assert answer.json["system"] == "DGX-H100_H100-SXM-80GBx8"
    assert answer.json["description"]["host_processor_model_name"] == "Intel(R) Xeon(R) Platinum 8480C"
    assert answer.json["sources"]["host_processor_model_name"] == "detected"
    assert "system.submission.submitter" in {problem["path"] for problem in answer.json["problems"]}


def test_describe_prints_the_file_once_all_is_stated(mlperf):
    mlperf("systems", "new", "my_box", *machine("dgx_h100"))
    missing = mlperf("systems", "describe", "my_box", "--json", *machine("dgx_h100")).json["problems"]
    stated = {problem["path"].rpartition(".")[2]: "something" for problem in missing}
    stated["status"] = "available"
    file = Path("systems/my_box.yaml")
    file.write_text(file.read_text().replace("system:\n", f"system:\n  submission: {json.dumps(stated)}\n", 1))
    answer = mlperf("systems", "describe", "my_box", *machine("dgx_h100"))
    assert answer.code == 0, answer.err
    assert answer.json["submitter"] == "something"


def test_describe_fills_in_nothing_of_another_machine(mlperf):
    answer = mlperf("systems", "describe", "L4x1", "--json", *machine("dgx_h100"))
    assert "this machine is not L4x1" in answer.err
    assert "detected" not in answer.json["sources"].values()


@pytest.mark.parametrize(
    "words",
    [
        ("systems",),
        ("systems", "nwe"),
        ("systems", "detect", "more"),
        ("systems", "match", "L4x1"),
        ("systems", "new"),
        ("systems", "new", "a", "b"),
        ("systems", "show"),
        ("systems", "describe", "a", "b"),
        ("systems", "match", "--record", "x"),
        ("systems", "detect", "--machine", "nowhere.json"),
        ("systems", "detect", "--record", "x.json", "--machine", str(MACHINES / "l4.json")),
        ("systems", "detect", "--machine", str(Path(__file__))),
        ("systems", "new", "box", "--from"),
        ("run", "--machine", str(MACHINES / "l4.json")),
    ],
)
def test_what_is_asked_wrongly_is_refused_and_nothing_written(mlperf, tmp_path, words):
    assert mlperf(*words, "--json").code == 2
    assert list(tmp_path.iterdir()) == []


def test_each_part_has_help_of_its_own(mlperf):
    for part in VERBS["systems"].parts:
        out = mlperf("systems", part.word, "--help").out
        assert out.startswith(part.usage)
        assert all(flag.name in out for flag in part.flags)
        assert part.summary in mlperf("systems", "--help").out


def test_list_systems_tells_every_file_that_is_wrong(mlperf):
    Path("systems").mkdir()
    for name, wrong in (("one", "categroy: edge"), ("two", "devices: [tpu]")):
        Path(f"systems/{name}.yaml").write_text(f"# @package _global_\nsystem: {{id: {name}, {wrong}}}\n")
    answer = mlperf("list", "systems", "id=L4x1", "--json")
    assert answer.code == 2
    assert {problem["origin"] for problem in answer.json["problems"]} == {"systems/one.yaml", "systems/two.yaml"}


def test_list_systems_says_which_are_the_users(mlperf):
    mlperf("systems", "new", "L4x1", "--force", *machine("l4"))
    (row,) = mlperf("list", "systems", "id=L4x1", "--json").json
    assert (row["file"], row["replaces"]) == ("systems/L4x1.yaml", "conf/system/L4x1.yaml")

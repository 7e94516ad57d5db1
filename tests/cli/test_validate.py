"""``mlperf validate``: one configuration, the whole matrix, or what was published, and nothing is left behind."""

import json
import shutil
from pathlib import Path

import pytest

from mlperf_registry.roots import conf_root

SAMPLE = Path(__file__).parents[1] / "published" / "sample.jsonl"


@pytest.fixture
def conf(tmp_path, monkeypatch):
    """A copy of conf/ that a test may break."""
    copy = tmp_path / "copy" / "conf"
    shutil.copytree(conf_root(), copy)
    monkeypatch.setattr("mlperf_registry.compose.library.conf_root", lambda: copy)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return copy


def test_a_good_configuration(mlperf, tmp_path):
    answer = mlperf("validate", "scenario=server", "--json")
    assert answer.code == 0
    assert answer.json["by_state"] == {"untuned": 1}
    assert answer.json["problems"] == []
    assert "min-duration" in {breach["rule"] for breach in answer.json["rule_breaches"]}
    assert list(tmp_path.iterdir()) == []


def test_breaches_are_told_but_not_refused_outside_submission(mlperf):
    answer = mlperf("validate")
    assert answer.code == 0
    assert "rule min-duration" in answer.out
    assert mlperf("validate", "mode=submission").code == 2


def test_one_value_with_a_comma_can_be_written_as_the_hint_says(mlperf):
    assert mlperf("run", "--cfg", "--json", 'category="datacenter,edge"').json["category"] == "datacenter,edge"


def test_all_cells_have_a_state_and_are_counted_by_rule(mlperf):
    words = ("system=B200-SXM-180GBx8", "scenario=offline")
    summary = mlperf("validate", "--all", "--json", *words).json
    assert set(summary) == {"cells", "by_state", "by_rule", "problems", "seconds"}
    listed = mlperf("list", "cells", "--json", "state=*", *words).json
    assert summary["cells"] == sum(summary["by_state"].values()) == len(listed)
    assert summary["problems"] == []
    assert summary["by_state"]["tuned"] > 0
    assert sum(summary["by_rule"].values()) == summary["by_state"]["forbidden"]
    assert all(rule in mlperf("validate", "--all", *words).out for rule in summary["by_rule"])


def test_a_wrong_file_is_found_among_all_cells(mlperf, tmp_path):
    folder = tmp_path / "systems"
    folder.mkdir()
    (folder / "box.yaml").write_text(
        "# @package _global_\nsystem: {id: box, devices: [cpu]}\nruntime:\n  warmup_duration: soon\n"
    )
    answer = mlperf("validate", "--all", "--json", "benchmark=mini")
    assert answer.code == 2
    (problem,) = answer.json["problems"]
    assert (problem["path"], problem["origin"], problem["line"]) == ("runtime.warmup_duration", "systems/box.yaml", 4)


def test_every_broken_file_and_every_tuned_file_without_a_cell_is_told_with_its_place(mlperf, conf):
    tuned = conf / "tuned" / "v4.1"
    (tuned / "L4x1" / "resnet50" / "interactive.yaml").write_text(
        "backends: [tensorrt]\nbuilder: {gpu_batch_size: 4}\n"
    )
    (tuned / "L4x11" / "resnet50").mkdir(parents=True)
    (tuned / "L4x11" / "resnet50" / "offline.yaml").write_text("backends: [tensorrt]\n")
    words = ("validate", "--all", "--json", "benchmark=mini", "system=generic_cpu")
    answer = mlperf(*words)
    assert answer.code == 2
    assert {problem["origin"] for problem in answer.json["problems"]} == {
        "conf/tuned/v4.1/L4x1/resnet50/interactive.yaml",
        "conf/tuned/v4.1/L4x11/resnet50/offline.yaml",
    }
    (conf / "system" / "L4x1.yaml").write_text("# @package _global_\nsystem:\n\tid: L4x1\n")
    (conf / "scenario" / "server.yaml").write_text("a: 1\na: 2\n")
    answer = mlperf(*words)
    assert answer.code == 2
    places = {(problem["origin"], problem["line"]) for problem in answer.json["problems"]}
    assert places >= {("conf/system/L4x1.yaml", 3), ("conf/scenario/server.yaml", 2)}


def test_a_plugin_that_does_not_bring_what_it_declares_is_told_and_no_problem_of_a_cell(mlperf, fault):
    answer = mlperf("validate", "--all", "--json", "benchmark=mini", "system=generic_cpu")
    assert (answer.code, answer.json["problems"]) == (0, [])
    assert answer.err.splitlines() == [fault]


def test_published_configurations_match(mlperf):
    answer = mlperf("validate", "--published", str(SAMPLE), "--json")
    assert answer.code == 0
    assert answer.json["matched"] == answer.json["total"] > 0
    assert answer.json["missing"] == 0
    assert answer.json["differing"] == []


def test_what_is_not_as_published_is_told_field_by_field(mlperf, tmp_path):
    rows = [json.loads(line) for line in SAMPLE.read_text().splitlines()[:2]]
    rows[0]["fields"]["gpu_batch_size"] = 77
    file = tmp_path / "rows.jsonl"
    file.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    answer = mlperf("validate", "--published", str(file))
    assert answer.code == 1
    assert "2 published configurations: 1 matched, 0 missing, 1 differing" in answer.out
    assert "builder.gpu_batch_size" in answer.out
    assert "77" in answer.out
    document = mlperf("validate", "--published", str(file), "--json").json
    assert (document["total"], document["matched"], len(document["differing"])) == (2, 1, 1)


def test_files_that_cannot_be_read_hide_no_others(mlperf, tmp_path):
    (tmp_path / "tab.yaml").write_text("# @package _global_\nsystem:\n\tid: tab\n")
    lost = tmp_path / "tuned" / "v6.1" / "nosuch" / "resnet50"
    lost.mkdir(parents=True)
    (lost / "offline.yaml").write_text("backends: [onnxruntime]\nloadgen: {offline_expected_qps: 5}\n")
    words = ("benchmark=resnet50-mini", "system=generic_cpu", "--systems", str(tmp_path))
    answer = mlperf("validate", "--all", "--json", *words)
    assert answer.code == 2
    messages = [problem["message"] for problem in answer.json["problems"]]
    assert len(messages) == 2
    assert "no valid YAML" in messages[0] and "no cell reaches this file" in messages[1]


@pytest.mark.parametrize("harness", ["triton", "hetero_mig"])
def test_what_was_published_with_another_harness_composes_and_is_no_submission(mlperf, harness):
    cell = ("benchmark=resnet50", "system=L4x1", "category=edge", f"harness={harness}")
    assert mlperf("validate", *cell).code == 0
    answer = mlperf("validate", "mode=submission", "loadgen.offline_expected_qps=500", "--json", *cell)
    assert answer.code == 2
    assert [problem["path"] for problem in answer.json["problems"]] == ["harness"]
    assert f"this version has no harness {harness}" in answer.err
    listed = mlperf(
        "list", "cells", "--json", "state=*", "scenario=offline", "accuracy_target=0.99", *cell[:2], cell[3]
    )
    assert {row["harness_code"] for row in listed.json} == {False}

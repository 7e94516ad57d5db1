"""``mlperf validate``: one configuration, or the whole matrix, and nothing is left behind."""


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


def test_all_cells_have_a_state(mlperf):
    summary = mlperf("validate", "--all", "--json").json
    assert set(summary) == {"cells", "by_state", "problems", "seconds"}
    assert summary["cells"] == sum(summary["by_state"].values()) == len(mlperf("list", "cells", "--json").json)
    assert summary["problems"] == []
    assert summary["by_state"]["tuned"] > 0


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

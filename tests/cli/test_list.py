"""``mlperf list``: tables for people, lists of objects for programs, filters with patterns, aliases understood."""

import pytest

from mlperf_registry.cli.verbs import LISTED


@pytest.mark.parametrize("what", LISTED)
def test_everything_lists_as_a_table_and_as_objects(mlperf, what):
    filters = ("system=L4x1", "benchmark=resnet50") if what == "cells" else ()
    rows = mlperf("list", what, *filters, "--json").json
    assert rows
    assert all(set(row) == set(rows[0]) for row in rows)
    lines = mlperf("list", what, *filters).out.splitlines()
    assert len(lines) == len(rows) + 2


def test_a_cell_has_the_form_of_the_contract(mlperf):
    rows = mlperf("list", "cells", "system=B200*", "scenario=offline", "power_setting=maxp", "state=*", "--json").json
    six = {"system", "benchmark", "scenario", "accuracy_target", "power_setting", "harness"}
    assert set(rows[0]) >= six | {"state", "rule", "tuned_round", "relative", "harness_code"}
    assert {row["state"] for row in rows} == {"meaningless", "forbidden", "untuned", "tuned"}
    assert len({tuple(row[axis] for axis in sorted(six)) for row in rows}) == len(rows)
    for row in rows:
        assert row["tuned_round"] is not None or row["state"] != "tuned"
        assert (row["rule"] is not None) == (row["state"] == "forbidden")


def test_a_scenario_that_the_category_lacks_is_forbidden_by_a_named_rule(mlperf):
    words = ("benchmark=3d-unet", "scenario=singlestream", "harness=native", "accuracy_target=99")
    rows = mlperf("list", "cells", "system=B200-SXM-180GBx8", *words, "--json").json
    assert {(row["state"], row["rule"]) for row in rows} == {("forbidden", "category-has-scenario")}
    assert rows[0]["rule"] in {row["id"] for row in mlperf("list", "rules", "round=v6.1", "--json").json}


def test_meaningless_cells_are_listed_only_when_asked_for(mlperf):
    words = ("cells", "system=L4x1", "benchmark=resnet50")
    plain = mlperf("list", *words, "--json")
    every = mlperf("list", *words, "--json", "state=*")
    none = mlperf("list", *words, "--json", "state=meaningless").json
    assert len(plain.json) + len(none) == len(every.json)
    assert f"{len(none)} meaningless cells are left out" in plain.err
    assert "left out" not in every.err
    assert {row["state"] for row in none} == {"meaningless"}


def test_a_wrong_cell_is_listed_as_wrong_beside_the_others(mlperf, tmp_path):
    folder = tmp_path / "systems"
    folder.mkdir()
    (folder / "box.yaml").write_text(
        "# @package _global_\nsystem: {id: box, devices: [cpu]}\nruntime:\n  warmup_duration: '${nosuch.path}'\n"
    )
    words = ("list", "cells", "system=*", "benchmark=resnet50-mini", "scenario=offline", "power_setting=maxp")
    answer = mlperf(*words, "--json")
    assert answer.code == 2
    wrong = [row for row in answer.json if row["state"] == "wrong"]
    assert {row["system"] for row in wrong} == {"box"}
    assert all("nosuch.path" in row["why"] for row in wrong)
    assert {"generic_cpu", "L4x1"} <= {row["system"] for row in answer.json} - {"box"}
    (said,) = (line for line in answer.err.splitlines() if "warmup_duration" in line)
    assert said.endswith("[systems/box.yaml:4]")
    assert mlperf(*words, "state=wrong", "--json").json == wrong
    assert mlperf(*words, "system=generic_cpu").code == 0


def test_an_untuned_cell_names_the_tuned_one_most_like_it(mlperf):
    rows = mlperf("list", "cells", "system=L4x*", "benchmark=resnet50", "scenario=offline", "--json").json
    for row in rows:
        assert (row["relative"] is not None) == (row["state"] == "untuned")
    near = {row["system"]: row["relative"].split("/")[1] for row in rows if row["state"] == "untuned"}
    assert near["L4x1"] == "L4x1"
    assert all(relative.startswith("L4x") for relative in near.values())


def test_a_cell_says_whether_there_is_code_to_run_it(mlperf):
    words = ("scenario=offline", "accuracy_target=99", "power_setting=maxp", "harness=native", "--json")
    known = {row["id"]: row["harness"] == "present" for row in mlperf("list", "benchmarks", "--json").json}
    for row in mlperf("list", "cells", "system=L4x1", *words).json:
        assert row["harness_code"] == known[row["benchmark"]]


def test_published_results_are_per_accelerator_and_know_aliases(mlperf):
    answer = mlperf("list", "published", "benchmark=resnet50-99", "system=*H100*", "scenario=Offline", "--json")
    rows = answer.json
    assert {(row["benchmark"], row["official"]) for row in rows} == {("resnet50", True)}
    assert all(row["per_accelerator"] == row["value"] / row["accelerators"] for row in rows)
    assert mlperf("list", "published", "benchmark=resnet50", "metric=*", "--json").json[0].keys() == rows[0].keys()
    assert "per_accelerator" in mlperf("list", "published", "benchmark=resnet50", "system=*H100*").out.splitlines()[0]


@pytest.mark.parametrize(
    "words", [["scenario=offline"], ["scenario=Offline"], ["scenario=OFF*"], ["scenario=offline", "benchmark=resnet"]]
)
def test_filters_know_patterns_cases_and_aliases(mlperf, words):
    rows = mlperf("list", "cells", "system=L4x1", *words, "--json").json
    assert rows
    assert {row["scenario"] for row in rows} == {"Offline"}


def test_filters_of_other_keys(mlperf):
    assert {row["state"] for row in mlperf("list", "cells", "system=L4x1", "state=tuned", "--json").json} == {"tuned"}
    assert all("loadgen." in row["path"] for row in mlperf("list", "fields", "path=loadgen.*", "--json").json)
    (row,) = mlperf("list", "benchmarks", "mini=true", "scenarios=MultiStream", "--json").json
    assert row["id"] == "resnet50-mini"


def test_systems_of_the_user_are_listed(mlperf, tmp_path):
    folder = tmp_path / "systems"
    folder.mkdir()
    (folder / "box.yaml").write_text("# @package _global_\nsystem: {id: box, devices: [cpu]}\n")
    assert "box" in {row["id"] for row in mlperf("list", "systems", "--json").json}


def test_a_backend_without_code_says_what_it_lacks(mlperf):
    rows = {row["name"]: row for row in mlperf("list", "backends", "--json").json}
    assert rows["onnxruntime"]["available"] is True
    assert rows["tensorrt"]["available"] is False
    assert rows["tensorrt"]["lacks"]


@pytest.mark.parametrize("what", ["benchmarks", "backends", "systems"])
def test_a_plugin_that_does_not_bring_what_it_declares_is_told(mlperf, fault, what):
    answer = mlperf("list", what, "--json")
    assert answer.code == 0
    assert answer.json
    assert answer.err.splitlines() == [fault]


def test_rules_carry_reason_and_citation_of_their_round(mlperf):
    rows = mlperf("list", "rules", "round=v6.1", "--json").json
    assert {row["round"] for row in rows} == {"v6.1"}
    assert all(row["reason"] and row["citation"] for row in rows)


@pytest.mark.parametrize(
    "words",
    [
        ("systems", "id=L4x1", "accelerator_count=2"),
        ("fields", "path=zz*"),
        ("backends", "available=false", "name=onnxruntime"),
        ("published", "round=v6.1"),
        ("published", "system=L4x1"),
        ("published", "benchmark=resnet50", "scenario=interactive"),
    ],
)
def test_what_is_spelled_right_may_find_nothing(mlperf, words):
    answer = mlperf("list", *words, "--json")
    assert (answer.code, answer.json) == (0, [])

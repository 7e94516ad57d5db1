"""``mlperf list``: tables for people, lists of objects for programs, filters with patterns, aliases understood."""

import pytest

from mlperf_registry.cli.verbs import LISTED


@pytest.mark.parametrize("what", LISTED)
def test_everything_lists_as_a_table_and_as_objects(mlperf, what):
    rows = mlperf("list", what, "--json").json
    assert rows
    assert all(set(row) == set(rows[0]) for row in rows)
    lines = mlperf("list", what).out.splitlines()
    assert len(lines) == len(rows) + 2


def test_a_cell_has_the_form_of_the_contract(mlperf):
    rows = mlperf("list", "cells", "--json").json
    six = {"system", "benchmark", "scenario", "accuracy_target", "power_setting", "harness"}
    assert set(rows[0]) >= six | {"state", "rule", "tuned_round"}
    assert {row["state"] for row in rows} <= {"meaningless", "forbidden", "untuned", "tuned"}
    assert len({tuple(row[axis] for axis in sorted(six)) for row in rows}) == len(rows)
    for row in rows:
        assert row["tuned_round"] is not None or row["state"] != "tuned"
        assert (row["rule"] is not None) == (row["state"] == "forbidden")


def test_a_scenario_that_the_category_lacks_is_forbidden_by_a_named_rule(mlperf):
    words = ("system=H200-SXM-141GBx?", "benchmark=resnet50", "scenario=singlestream", "harness=native", "accuracy_target=99")
    rows = mlperf("list", "cells", *words, "--json").json
    assert {row["state"] for row in rows} == {"forbidden"}
    assert {row["rule"] for row in rows} <= {row["id"] for row in mlperf("list", "rules", "path=*", "--json").json}


@pytest.mark.parametrize(
    "words", [["scenario=offline"], ["scenario=Offline"], ["scenario=OFF*"], ["scenario=offline", "benchmark=mini"]]
)
def test_filters_know_patterns_cases_and_aliases(mlperf, words):
    rows = mlperf("list", "cells", *words, "--json").json
    assert rows
    assert {row["scenario"] for row in rows} == {"Offline"}


def test_filters_of_other_keys(mlperf):
    assert {row["state"] for row in mlperf("list", "cells", "state=tuned", "--json").json} == {"tuned"}
    assert all("loadgen." in row["path"] for row in mlperf("list", "fields", "path=loadgen.*", "--json").json)
    (row,) = mlperf("list", "benchmarks", "mini=true", "scenarios=Server", "--json").json
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


def test_rules_carry_reason_and_citation_of_their_round(mlperf):
    rows = mlperf("list", "rules", "round=v6.1", "--json").json
    assert {row["round"] for row in rows} == {"v6.1"}
    assert all(row["reason"] and row["citation"] for row in rows)

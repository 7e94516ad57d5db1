"""``mlperf explain``: value, unit, doc, readers, and the chain of files and overrides with their lines."""

from pathlib import Path


def test_a_field_as_json_has_the_form_of_the_contract(mlperf):
    answer = mlperf("explain", "loadgen.min_duration", "loadgen.min_duration=20s", "--json")
    assert answer.code == 0
    found = answer.json
    assert set(found) == {"path", "value", "unit", "doc", "engine", "chain"}
    assert (found["path"], found["value"], found["unit"]) == ("loadgen.min_duration", 20_000, "ms")
    assert [set(link) for link in found["chain"]] == [{"origin", "line", "value"}] * len(found["chain"])
    assert [link["origin"] for link in found["chain"]] == [
        "field default",
        "conf/mode/explore.yaml",
        "override:loadgen.min_duration=20s",
    ]


def test_lines_are_those_of_the_files(mlperf, checkout: Path):
    (link,) = [
        link
        for link in mlperf("explain", "loadgen.min_duration", "--json").json["chain"]
        if link["origin"] == "conf/mode/explore.yaml"
    ]
    text = (checkout / link["origin"]).read_text().splitlines()[link["line"] - 1]
    assert "min_duration: 10s" in text


def test_the_winner_is_marked_and_comes_last(mlperf):
    out = mlperf("explain", "runtime.gpu_copy_streams", "benchmark=resnet50", "system=L4x1", "scenario=server").out
    lines = [line.strip() for line in out.splitlines() if "conf/" in line]
    assert lines[-1].startswith("* conf/tuned/v4.1/L4x1/resnet50/server.yaml:")
    assert not lines[0].startswith("*")


def test_readers_are_named(mlperf):
    assert "onnxruntime" in mlperf("explain", "builder.precision", "--json").json["engine"]
    assert mlperf("explain", "loadgen.server_target_qps", "--json").json["engine"] == []


def test_whether_a_change_means_another_engine_depends_on_the_backend_in_use(mlperf):
    assert "keeps the engine" in mlperf("explain", "builder.gpu_batch_size").out
    assert "another engine" in mlperf("explain", "builder.gpu_batch_size", "system=H200-SXM-141GBx8").out


def test_a_section_and_everything(mlperf):
    section = mlperf("explain", "runtime", "--json").json
    everything = mlperf("explain", "--json").json
    assert {one["path"] for one in section} < {one["path"] for one in everything}
    assert all(one["path"].startswith("runtime.") for one in section)
    assert "backend.options.intra_op_threads" in {one["path"] for one in everything}
    assert "runtime.use_graphs" in mlperf("explain").out


def test_what_was_chosen_is_told_with_its_reason(mlperf):
    answer = mlperf("explain", "round")
    assert "newest round that has resnet50" in answer.err
    assert "untuned" in answer.err
    answer = mlperf("explain", "backend.name", "system=H200-SXM-141GBx8", "--json")
    assert answer.json["value"] == "tensorrt"


def test_values_tuned_for_another_engine_library_are_not_applied_and_that_is_said(mlperf):
    answer = mlperf("list", "cells", "system=L4x1", "state=tuned", "--json")
    cell = next(row for row in answer.json if row["benchmark"] == "resnet50")
    words = [f"{axis}={cell[axis]}" for axis in ("system", "benchmark", "scenario")]
    assert "untuned" in mlperf("explain", "tuned_round", *words, "backend=onnxruntime").err


def test_a_tuned_round_that_was_asked_for_and_has_nothing_is_told(mlperf):
    assert "untuned: v4.1 has no values" in mlperf("explain", "round", "tuned_round=v4.1").err
    cell = next(row for row in mlperf("list", "cells", "system=L4x1", "state=tuned", "--json").json)
    words = [f"{axis}={cell[axis]}" for axis in ("system", "benchmark", "scenario", "accuracy_target", "power_setting")]
    assert "\ntuned: " in "\n" + mlperf("explain", "round", *words, f"tuned_round={cell['tuned_round']}").err


def test_system_auto_is_resolved_here_and_told(mlperf):
    answer = mlperf("explain", "system.id", "system=auto", "--json")
    assert answer.json["value"] == "generic_cpu"
    assert "system=generic_cpu: no accelerator is seen here" in answer.err


def test_a_value_of_many_lines_is_told_on_one(mlperf):
    path = "benchmark.options.prompt_template"
    lines = mlperf("explain", path, "benchmark=llama3.1-8b-mini").out.splitlines()
    assert any("system\\nYou are" in line for line in lines)
    assert all(line == path or line.startswith("  ") for line in lines)
    _, _, *rows = mlperf("explain", "benchmark.options", "benchmark=llama3.1-8b-mini").out.splitlines()
    assert all(row.startswith("benchmark.options.") for row in rows)

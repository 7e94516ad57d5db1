"""Bad input: exit 2, every problem in one report, each with its place and its cure, and never Hydra's advice."""

import pytest

CASES = [
    (["validate", "benchmrk=resnet50"], ["benchmrk", "benchmark"]),
    (["validate", "benchmark=resnet51"], ["resnet51", "resnet50"]),
    (["validate", "scenario=ofline"], ["ofline", "offline"]),
    (["validate", "system=L4x3"], ["L4x3", "did you mean L4x"]),
    (["validate", "accuracy_target=99.8"], ["99.8"]),
    (["validate", "runtime.deque_timeout_usecs=5"], ["deque_timeout_usecs", "runtime.deque_timeout_usec"]),
    (["validate", "runtim.use_graphs=true"], ["runtim.use_graphs", "runtime.use_graphs"]),
    (["validate", "+runtime.foo=5"], ["runtime.foo"]),
    (["validate", "++loadgen.server_target_qqs=5"], ["server_target_qqs", "server_target_qps"]),
    (["validate", "+bogus/group=x"], ["bogus"]),
    (["run", "gpu_batch_size=64"], ["(write builder.gpu_batch_size=64)"]),
    (["run", "gpu_offline_expected_qps=5"], ["(write loadgen.offline_expected_qps=5)"]),
    (["run", "test_mode=AccuracyOnly"], ["(write loadgen.test_mode=AccuracyOnly)"]),
    (["run", "test_run=true"], ["(mode=test_run)"]),
    (["run", "config_ver=high_accuracy"], ["accuracy_target=high_accuracy"]),
    (["run", "power=true"], ["this version measures no power"]),
    (["run", "audit_test=TEST01"], ["this version runs no compliance tests"]),
    (["run", "scenarios=offline,server", "-m"], ["in the singular", "-m"]),
    (["run", "offline_expected_qpps=5"], ["did you mean loadgen.offline_expected_qps"]),
    (["run", "--benchmarks=resnet50", "--fast"], ["write benchmark=OPTION", "--fast", "(mode=test_run)"]),
    (["run", "--test_mode=AccuracyOnly"], ["write loadgen.test_mode=VALUE"]),
    (["run", "--power"], ["this version measures no power"]),
    (["validate", "loadgen.min_duration=5"], ["of what", "override:loadgen.min_duration=5"]),
    (["validate", "loadgen.min_duration=5parsec"], ["5parsec"]),
    (["validate", "builder.gpu_batch_size=32.7"], ["whole number", "32.7"]),
    (["validate", "builder.gpu_batch_size=0"], ["must be", "got 0"]),
    (["validate", 'builder.force_build_engines="false"'], ["true or false"]),
    (["validate", "loadgen.test_mode=Performance"], ["PerformanceOnly"]),
    (["validate", "builder.gpu_batch_size.resnet51=4"], ["resnet51", "resnet50"]),
    (["validate", "backend.options.intra_op_thread=4"], ["intra_op_thread", "intra_op_threads"]),
    (["validate", "benchmark.options.heigth=4"], ["heigth", "height"]),
    (["validate", "scenario=interactive"], ["interactive", "in any round"]),
    (["validate", "accuracy_target=k_99_9"], ["k_99_9", "in any round"]),
    (["validate", "benchmark=resnet50-99", "accuracy_target=high_accuracy"], ["accuracy_target"]),
    (["validate", "harness=triton"], ["triton"]),
    (["validate", "backend=tensorrt", "system=generic_cpu", "backend=onnx"], ["onnx"]),
    (["validate", "round=v9.9"], ["v9.9", "v5.1"]),
    (["validate", "tuned_round=v9.9"], ["v9.9"]),
    (["validate", "scenario=offline,server"], ["sweep", "-m"]),
    (["validate", "scenario"], ["scenario", "group=option"]),
    (["validate", "scenario="], ["scenario"]),
    (["validate", "=offline"], ["=offline"]),
    (["validate", "a=b=c"], ["a"]),
    (["validate", "scenario=[offline"], ["scenario=[offline"]),
    (["validate", "~benchmark"], ["benchmark"]),
    (["validate", "hydra/launcher=joblib"], ["-m"]),
    (["validate", "hydra.run.dir=/tmp"], ["-m"]),
    (["validate", "++hydra.run.dir=x"], ["-m"]),
    (["validate", "hydra=x"], ["-m"]),
    (["validate", "experiment=mine"], ["mine"]),
    (["validate", "--published", "nowhere.jsonl"], ["nowhere.jsonl"]),
    (["validate", "--published"], ["FILE"]),
    (["validate", "category=desktop"], ["datacenter"]),
    (["validate", "category=datacenter,edge"], ["in quotes", """'category="datacenter,edge"'"""]),
    (["validate", "benchmark@other=resnet50"], ["benchmark"]),
    (["validate", "--al"], ["--al", "--all"]),
    (["validate", "--dry-run"], ["--dry-run", "mlperf run"]),
    (["validate", "--all", "runtime.use_graphs=true"], ["axis=pattern"]),
    (["validat"], ["validat", "validate"]),
    (["--jsn"], ["--jsn", "a verb comes first"]),
    (["--json", "run"], ["mlperf VERB --json"]),
    (["run", "--build-dir"], ["--build-dir", "DIR"]),
    (["run", "--json=yes"], ["--json", "takes no value"]),
    (["run", "--systems", "nowhere"], ["nowhere"]),
    (["run", "--cfg=all"], ["values or origins"]),
    (["run", "-m", "--cfg"], ["--cfg"]),
    (["run", "-m", "scenario=offline,sever"], ["sever", "server"]),
    (["run", "-m", "builder.gpu_batch_size=1,x,2.5"], ["'x'", "2.5"]),
    (["run", "-m", "loadgen.server_target_qps=interval(1,2)"], ["sweeper"]),
    (["run", "-m", "frobnicate"], ["frobnicate"]),
    (["run", "-m", "builder.gpu_batch_size=range(4,1)"], ["without points", "range(4,1)"]),
    (["run", "-m", "builder.gpu_batch_size=range(1,2,0)"], ["zero"]),
    (["run", "-m", "benchmark=glob(zz*)"], ["zz*", "resnet50-mini"]),
    (["run", "-m", "hydra.sweeper.params={a: 1}"], ["hydra.sweeper.params"]),
    (["run", "mode=submission"], ["rule category-stated"]),
    (["list"], ["systems"]),
    (["list", "system"], ["systems"]),
    (["list", "published", "sistem=*H100*"], ["sistem", "system"]),
    (["list", "published", "round=v9.9"], ["v9.9", "v5.1"]),
    (["list", "published", "system=L4x3"], ["L4x3"]),
    (["list", "published", "benchmark=resnet51"], ["resnet51", "resnet50"]),
    (["list", "cells", "stat=tuned"], ["state"]),
    (["list", "cells", "state=tund"], ["tund", "tuned"]),
    (["list", "cells", "system=L4x3"], ["did you mean L4x"]),
    (["list", "cells", "tuned"], ["key=pattern"]),
    (["list", "cells", "rule=seed-qsll"], ["seed-qsll", "seed-qsl"]),
    (["list", "cells", "tuned_round=v9"], ["v9", "v5.1"]),
    (["list", "fields", "path=builder.gpu_b"], ["'builder.gpu_b'", "did you mean builder.gpu_batch_size?"]),
    (["list", "systems", "id=L4x3"], ["L4x3", "did you mean L4x"]),
    (["list", "rules", "round=v9"], ["v9", "v6.0"]),
    (["list", "rules", "round=v6.1", "divisions=opn"], ["did you mean open?"]),
    (["list", "published", "benchmark=resnet50", "scenario=oflin"], ["did you mean Offline?"]),
    (["explain", "loadgen.offline_qps"], ["loadgen.offline_expected_qps"]),
    (["explain", "loadgen.min_duration", "scenario=ofline"], ["offline"]),
    (["explain", "builder.gpu_batch_size.foo"], ["'foo'", "resnet50"]),
    (["explain", "builder.gpu_batch_size.resnet50.x"], ["'resnet50.x'"]),
    (["diff", "scenario=offline"], ["two"]),
    (["diff", "nowhere", "scenario=offline"], ["nowhere"]),
    (["diff", "scenario=offline", "scenario=ofline"], ["offline"]),
    (["diff", "a='x", "b=1"], ["quotes"]),
    (["diff", "scenario=" + "x" * 5000, "scenario=offline"], ["offline"]),
    (["report", "x" * 5000], ["folder"]),
    (["run", "--build-dir", "x" * 5000], ["folder"]),
    (["report"], ["folder"]),
    (["report", "nowhere"], ["nowhere"]),
    (["completion", "tcsh"], ["bash", "zsh", "fish"]),
]


@pytest.mark.parametrize(
    ("word", "not_said"), [("name=5", "mode.name"), ("version=3", "division"), ("config_ver=triton", "maxq, harness=")]
)
def test_no_cure_is_named_that_cannot_be_meant(mlperf, word, not_said):
    answer = mlperf("run", "--dry-run", word)
    assert answer.code == 2
    assert not_said not in answer.err


@pytest.mark.parametrize(("argv", "said"), CASES, ids=[" ".join(argv)[:60] for argv, _ in CASES])
def test_bad_input_is_refused_with_its_cure(mlperf, argv, said):
    answer = mlperf(*argv)
    assert answer.code == 2, answer.err
    for words in said:
        assert words in answer.err
    assert "Traceback" not in answer.err
    assert "append +" not in answer.err
    assert "HYDRA_FULL_ERROR" not in answer.err


def test_all_problems_come_in_one_report_and_as_json(mlperf):
    answer = mlperf(
        "validate",
        "--json",
        "loadgen.min_duration=5",
        "builder.gpu_batch_size=32.7",
        "scenario=server",
        "loadgen.server_target_latency_percentile=101",
        "runtime.deque_timeout_usec=soon",
    )
    assert answer.code == 2
    problems = answer.json["problems"]
    assert [set(problem) for problem in problems] == [{"path", "message", "origin", "line", "hint"}] * 4
    assert {problem["path"] for problem in problems} == {
        "loadgen.min_duration",
        "builder.gpu_batch_size",
        "loadgen.server_target_latency_percentile",
        "runtime.deque_timeout_usec",
    }
    assert all(problem["origin"].startswith("override:") for problem in problems)


def test_unknown_names_of_every_kind_come_together(mlperf):
    answer = mlperf("validate", "--json", "benchmark=resnet51", "scenario=ofline", "runtime.foo=1")
    assert answer.code == 2
    assert {problem["path"] for problem in answer.json["problems"]} >= {"benchmark", "scenario"}


def test_a_value_from_a_file_is_told_with_file_and_line(mlperf, tmp_path):
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "box.yaml").write_text(
        "# @package _global_\nsystem:\n  id: box\n  devices: [cpu]\n  accelerator_count: many\n"
    )
    answer = mlperf("validate", "--json", "--systems", str(folder), "system=box")
    assert answer.code == 2
    places = {problem["path"]: (problem["origin"], problem["line"]) for problem in answer.json["problems"]}
    assert places["system.accelerator_count"] == ("mine/box.yaml", 5)


def test_every_breach_of_a_submission_is_told_with_rule_and_citation(mlperf):
    answer = mlperf("run", "--dry-run", "--json", "mode=submission", "loadgen.min_duration=5s", "category=edge")
    assert answer.code == 2
    (problem,) = [one for one in answer.json["problems"] if one["path"] == "loadgen.min_duration"]
    assert "600" in problem["message"]
    assert "min-duration" in problem["hint"]


def test_a_folder_of_systems_that_is_not_there(mlperf, monkeypatch):
    monkeypatch.setenv("MLPERF_SYSTEMS_PATH", "nowhere")
    answer = mlperf("validate", "--json")
    assert answer.code == 2
    assert [problem["path"] for problem in answer.json["problems"]] == ["MLPERF_SYSTEMS_PATH"]
    assert "nowhere is no folder" in answer.err


def test_problems_of_all_points_of_a_sweep_come_before_anything_runs(mlperf, tmp_path):
    answer = mlperf("run", "-m", "--json", "runtime.deque_timeout_usec=1,x,y", "builder.gpu_batch_size=a")
    assert answer.code == 2
    assert [problem["path"] for problem in answer.json["problems"]].count("runtime.deque_timeout_usec") == 2
    assert list(tmp_path.iterdir()) == []

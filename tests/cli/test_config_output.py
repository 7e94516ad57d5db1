"""``--cfg`` and ``--dry-run``: what would run, said before it does."""

import yaml


def test_the_printed_configuration_can_be_read_back(mlperf, tmp_path):
    out = mlperf("run", "--cfg", "scenario=server", "builder.gpu_batch_size=7").out
    tree = yaml.safe_load(out)
    assert tree["scenario"]["name"] == "Server"
    assert tree["builder"]["gpu_batch_size"] == {"resnet50": 7}
    folder = tmp_path / "systems"
    folder.mkdir()
    tree["system"]["id"] = "copy"
    (folder / "copy.yaml").write_text(
        "# @package _global_\n" + yaml.safe_dump({k: tree[k] for k in ("system", "runtime")})
    )
    assert mlperf("validate", "system=copy").code == 0


def test_origins_are_comments(mlperf):
    out = mlperf("run", "--cfg=origins", "scenario=server").out
    assert yaml.safe_load(out) == yaml.safe_load(mlperf("run", "--cfg", "scenario=server").out)
    (line,) = [line for line in out.splitlines() if line.strip().startswith("min_duration:")]
    assert "# conf/mode/explore.yaml:" in line


def test_the_configuration_as_json_is_canonical(mlperf):
    tree = mlperf("run", "--cfg", "--json", "loadgen.min_duration=2min").json
    assert tree["loadgen"]["min_duration"] == 120_000


def test_a_dry_run_tells_points_rules_and_engines_and_runs_nothing(mlperf, tmp_path):
    rows = mlperf("run", "-m", "--dry-run", "--json", "scenario=Offline,Server", "benchmark=mini").json
    assert [row["cell"].split("/")[2] for row in rows] == ["offline", "server"]
    for row in rows:
        assert row["engine"]["cached"] is False
        assert row["rule_breaches"]
    assert not (tmp_path / "build").exists()


def test_a_dry_run_of_a_verb_that_builds_nothing_wants_the_engine(mlperf):
    for verb in ("run", "build"):
        answer = mlperf(verb, "--dry-run")
        assert answer.code == 0 and "would be built" in answer.out
    answer, real = mlperf("harness", "--dry-run"), mlperf("harness")
    assert answer.code == real.code == 3
    reason = answer.out.rstrip().splitlines()[-1]
    assert "mlperf build" in reason and reason in real.err
    assert mlperf("harness", "-m", "--dry-run", "builder.gpu_batch_size=1,2").code == 3
    assert mlperf("build").code == 0
    assert mlperf("harness", "--dry-run").code == 0


def test_what_only_the_run_can_judge_is_not_called_broken_beforehand(mlperf):
    row = "v6.1: 1 judged by the run"
    kept = ("loadgen.min_duration=10min", "loadgen.min_query_count=1", "category=edge", "round=v6.1")
    answer = mlperf("run", "--dry-run", *kept)
    assert row in answer.out and "not kept" not in answer.out
    assert "v6.1: kept" in mlperf("run", "--dry-run", *kept[:1], "loadgen.min_query_count=24576", *kept[2:]).out
    said = mlperf("build", *kept).err
    assert "offline-samples (judged by the run). mlperf validate" in said and "report" not in said


def test_a_dry_run_says_what_is_missing(mlperf, monkeypatch):
    monkeypatch.delenv("MLPERF_SCRATCH_PATH", raising=False)
    answer = mlperf("run", "-m", "--dry-run", "benchmark=resnet50,bert", "scenario=offline,server")
    assert answer.code == 3
    table, *reasons = answer.out.rstrip().split("\n\n")
    assert table.count("not ready, see below") == 4
    assert [reason.splitlines()[0] for reason in reasons] == ["1, 2 not ready:", "3, 4 not ready:"]
    assert "MLPERF_SCRATCH_PATH" in reasons[0] and "no harness for benchmarks of the family bert" in reasons[1]
    answer = mlperf("run", "--dry-run", "--json", "benchmark=resnet50")
    assert answer.code == 3
    (row,) = answer.json
    assert not row["engine"]["ready"] and "MLPERF_SCRATCH_PATH" in row["engine"]["why"]

"""A third party's wheel, installed beside ours: its benchmark and backend run through LoadGen as our own do."""

from __future__ import annotations

import json
import textwrap

import pytest

# Short, and VALID however slow or busy the machine is: rates far above what it reaches, a bound that it cannot miss.
ANY_SCENARIO = (
    "run",
    "benchmark=acme-parity",
    "loadgen.min_duration=100ms",
    "runtime.warmup_duration=50ms",
    "--json",
)
RUN = (*ANY_SCENARIO, "loadgen.offline_expected_qps=5e6")
SERVER = ("scenario=server", "loadgen.server_target_qps=500", "loadgen.server_target_latency_ns=10s")

BROKEN = {
    "pyproject.toml": """
        [build-system]
        requires = ["hatchling>=1.24"]
        build-backend = "hatchling.build"

        [project]
        name = "broken-mlperf"
        version = "1.0"

        [project.entry-points."mlperf_registry.benchmarks"]
        broken = "broken_mlperf:BENCHMARK"

        [project.entry-points."mlperf_registry.backends"]
        broken = "broken_mlperf:BACKEND"

        [project.entry-points."mlperf_registry.conf"]
        broken = "broken_mlperf"
        """,
    "broken_mlperf/__init__.py": "import a_package_that_nobody_has\n",
    "broken_mlperf/conf/benchmark/broken.yaml": """
        # @package _global_
        benchmark:
          id: broken
          family: broken
          mini: true
          rules_as: resnet50
          loadgen_key: resnet50
          components: [broken]
          scenarios: [offline]
          accuracy_targets: [k_99]
          harnesses: [native]
          backends: [broken, onnxruntime]
          accuracy_metric: acc
          options: {anything: 1}
        builder: {gpu_batch_size: 1}
        model: {path: none, input_name: x, output_name: y}
        data: {path: none, sample_count: 1}
        """,
    "broken_mlperf/conf/backend/broken.yaml": """
        # @package _global_
        backend: {name: broken, device: cpu, options: {anything: 1}}
        builder: {precision: fp32}
        """,
}


@pytest.fixture(scope="module")
def environment(checkout, build, distributions, make_environment):
    """Our wheel and ACME's; nothing in ours is changed for it."""
    made = make_environment()
    made.install(distributions.wheel, build(checkout / "tests" / "plugins" / "acme_mlperf").wheel)
    return made


@pytest.fixture(scope="module")
def beside_a_broken_wheel(build, distributions, make_environment, tmp_path_factory):
    """Our wheel, and one whose module cannot be imported."""
    project = tmp_path_factory.mktemp("broken")
    for name, text in BROKEN.items():
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).write_text(textwrap.dedent(text).lstrip())
    made = make_environment()
    made.install(distributions.wheel, build(project).wheel)
    return made


@pytest.fixture(scope="module")
def result(environment):
    return json.loads(environment.run("mlperf", *RUN))


def test_it_runs_through_loadgen(result):
    assert (result["benchmark"], result["backend"], result["scenario"]) == ("acme-parity", "acme", "Offline")
    assert result["valid"] is True, result["reasons"]
    assert result["metrics"][0]["value"] > 0
    assert result["versions"]["acme-mlperf"] == "1.0"


def test_its_accuracy_function_decides(result):
    accuracy = result["accuracy"]
    assert (accuracy["metric"], accuracy["value"], accuracy["passed"], accuracy["samples"]) == (
        "acc",
        100.0,
        True,
        4096,
    )


def test_it_is_never_submittable(result):
    assert result["mini"] is True
    assert result["submittable"] is False


@pytest.mark.parametrize(
    "scenario",
    [
        SERVER,
        ("scenario=singlestream", "loadgen.single_stream_expected_latency_ns=10000"),
        ("scenario=multistream", "loadgen.multi_stream_expected_latency_ns=20000"),
    ],
)
def test_it_runs_in_every_scenario(environment, scenario):
    test = json.loads(environment.run("mlperf", *ANY_SCENARIO, *scenario, "loadgen.test_mode=PerformanceOnly"))
    assert test["valid"] is True, test["reasons"]


def test_what_its_builder_reads_makes_another_engine(environment, result):
    done = environment.call("mlperf", *RUN, "backend.options.pruned_bits=4")
    pruned = json.loads(done.stdout)
    assert done.returncode == 1, "accuracy was missed"
    assert pruned["engine"]["key"] != result["engine"]["key"]
    assert pruned["accuracy"]["passed"] is False
    assert pruned["accuracy"]["value"] == pytest.approx(50, abs=5)
    again = json.loads(environment.run("mlperf", *RUN, "loadgen.test_mode=PerformanceOnly"))
    assert again["engine"] == {**result["engine"], "reused": True}


@pytest.mark.parametrize(
    ("override", "path", "hint"),
    [
        ("benchmark.options.word_bit=8", "benchmark.options.word_bit", "word_bits"),
        ("backend.options.prunedbits=1", "backend.options.prunedbits", "pruned_bits"),
        ("benchmark.options.word_bits=many", "benchmark.options.word_bits", None),
        ("benchmark.options.word_bits=65", "benchmark.options.word_bits", None),
        ("benchmark=acme-partiy", "benchmark", "acme-parity"),
    ],
)
def test_bad_options_are_bad_input(environment, override, path, hint):
    done = environment.call("mlperf", *RUN, override)
    assert done.returncode == 2, done.stderr
    (problem,) = json.loads(done.stdout)["problems"]
    assert problem["path"] == path
    assert hint is None or hint in problem["hint"]


def test_explain_shows_its_fields_and_who_reads_them(environment):
    def explain(path):
        return json.loads(environment.run("mlperf", "explain", path, "benchmark=acme-parity", "--json"))

    bits = explain("benchmark.options.word_bits")
    assert (bits["value"], bits["unit"], bits["doc"]) == (16, "bits", "Length of a word.")
    assert bits["chain"][-1]["origin"].endswith("conf/benchmark/acme-parity.yaml")
    pruned = explain("backend.options.pruned_bits")
    assert (pruned["value"], pruned["engine"]) == (0, ["acme"])


def test_a_backend_runs_a_benchmark_of_ours_that_it_claims(environment):
    words = ("benchmark=resnet50-mini", "backend=acme_net", "system=generic_cpu", "runtime.warmup_duration=50ms")
    short = ("loadgen.min_duration=100ms", "loadgen.offline_expected_qps=5e4")
    ran = json.loads(environment.run("mlperf", "run", *words, *short, "--json"))
    assert (ran["benchmark"], ran["backend"], ran["scenario"]) == ("resnet50-mini", "acme_net", "Offline")
    assert ran["valid"] is True, ran["reasons"]
    assert (ran["accuracy"]["passed"], ran["accuracy"]["samples"]) == (True, 10_000)
    assert ran["versions"]["acme-mlperf"] == "1.0"


def test_a_claim_is_shown(environment):
    benchmarks, backends = _listed(environment, "benchmarks", "id"), _listed(environment, "backends", "name")
    assert backends["acme_net"]["benchmarks"] == ["resnet50", "resnet50-mini"]
    assert backends["acme"]["benchmarks"] == ["acme-parity"]
    assert [name for name, row in benchmarks.items() if "acme_net" in row["backends"]] == ["resnet50", "resnet50-mini"]
    words = ("benchmark=resnet50-mini", "system=generic_cpu")
    explained = json.loads(environment.run("mlperf", "explain", "benchmark.backends", *words, "--json"))
    assert explained["value"] == explained["chain"][-1]["value"] == [*explained["chain"][-2]["value"], "acme_net"]
    assert explained["chain"][-1]["origin"] == "plug-in acme_net"
    valid = json.loads(environment.run("mlperf", "validate", "backend=acme_net", *words, "--json"))
    assert valid["by_state"] == {"untuned": 1}


@pytest.mark.parametrize(
    ("benchmark", "backend", "names"),
    [("resnet50-mini", "acme", "resnet50 or resnet50-mini"), ("bert", "acme_net", "bert")],
)
def test_what_a_backend_does_not_claim_it_is_refused_with_the_cure(environment, benchmark, backend, names):
    words = (f"benchmark={benchmark}", f"backend={backend}", "system=generic_cpu")
    done = environment.call("mlperf", "validate", *words, "--json")
    assert done.returncode == 2, done.stderr
    (problem,) = json.loads(done.stdout)["problems"]
    assert f"{benchmark} has no {backend} backend here; it has tensorrt, tensorrt_rtx, onnx" in problem["message"]
    assert "choose backend=onnxruntime" in problem["hint"]
    assert f"add {names} to the benchmarks of its BackendPlugin" in problem["hint"]


def test_no_list_imports_what_builds_and_runs(environment):
    code = """
        import sys

        from mlperf_registry.cli.main import main

        for what in (["benchmarks"], ["backends"], ["cells", "system=generic_cpu", "state=untuned"], ["fields"]):
            assert main(["list", *what, "--json"]) == 0
        print(sorted(name for name in sys.modules if name.startswith("acme_mlperf")), file=sys.stderr)
        """
    done = environment.call("python", "-c", textwrap.dedent(code))
    assert done.stderr.splitlines()[-1] == "['acme_mlperf', 'acme_mlperf.options', 'acme_mlperf.plugin']"


def test_list_shows_it_beside_ours(environment):
    assert {"acme-parity", "resnet50-mini"} <= _listed(environment, "benchmarks", "id").keys()
    assert _listed(environment, "backends", "name")["acme"]["available"] is True
    cells = json.loads(environment.run("mlperf", "list", "cells", "benchmark=acme-parity", "state=untuned", "--json"))
    assert {cell["scenario"] for cell in cells} == {"Offline", "Server", "SingleStream", "MultiStream"}


def test_a_broken_wheel_is_listed_with_its_reason(beside_a_broken_wheel):
    backends = _listed(beside_a_broken_wheel, "backends", "name")
    assert backends["broken"]["available"] is False
    assert "No module named 'a_package_that_nobody_has'" in backends["broken"]["lacks"]
    assert backends["onnxruntime"]["available"] is True
    assert {"broken", "resnet50-mini"} <= _listed(beside_a_broken_wheel, "benchmarks", "id").keys()


@pytest.mark.parametrize("what", ["systems", "scenarios", "cells", "fields", "rules"])
def test_a_broken_wheel_stops_no_list_and_is_told(beside_a_broken_wheel, what):
    done = beside_a_broken_wheel.call("mlperf", "list", what, "--json")
    assert done.returncode == 0
    assert json.loads(done.stdout)
    assert "uninstall broken-mlperf" in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("run", "benchmark=broken"),
        ("run", "benchmark=broken", "backend=onnxruntime"),
        ("run", "benchmark=resnet50-mini", "backend=broken"),
        ("build", "benchmark=broken", "backend=broken"),
        ("validate", "benchmark=broken"),
    ],
)
def test_using_a_broken_wheel_is_an_environment_that_is_not_ready(beside_a_broken_wheel, arguments):
    done = beside_a_broken_wheel.call("mlperf", *arguments, "--json")
    assert done.returncode == 3, done.stdout + done.stderr
    assert "No module named 'a_package_that_nobody_has'" in json.loads(done.stdout)["error"]["message"]
    assert "uninstall broken-mlperf" in done.stderr


def test_what_does_not_use_a_broken_wheel_runs(beside_a_broken_wheel):
    beside_a_broken_wheel.run("mlperf", "run", "--dry-run", "--json")


def _listed(environment, what, key):
    return {row[key]: row for row in json.loads(environment.run("mlperf", "list", what, "--json"))}

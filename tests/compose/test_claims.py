"""A backend's claim: a benchmark that does not name it can be chosen with it, and nothing else changes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from mlperf_registry import plugins
from mlperf_registry.digest import config_digest
from mlperf_registry.registry import Registry
from mlperf_registry.schema.plugin import BackendPlugin
from mlperf_registry.schema.problem import ConfigError, NotReady

CPU = "# @package _global_\nbackend: {name: theirs, device: cpu}\nbuilder: {precision: fp32}\n"
PLAIN = {"accuracy_target": "k_99", "power_setting": "maxp", "harness": "native"}


@pytest.fixture
def claiming(checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Registry]:
    """Makes a registry beside which a third party's backend, ``theirs``, claims what is given."""

    def make(*benchmarks: str, text: str | None = CPU, fault: str | None = None) -> Registry:
        theirs = BackendPlugin(name="theirs", builder="a:B", runner="a:R", reads=(), benchmarks=benchmarks, fault=fault)
        table = {"theirs": theirs, **plugins.OUR_BACKENDS}
        monkeypatch.setattr(plugins, "backends", lambda: table)
        (tmp_path / "conf" / "backend").mkdir(parents=True)
        if text is not None:
            (tmp_path / "conf" / "backend" / "theirs.yaml").write_text(text, encoding="utf-8")
        return Registry.load(checkout / "conf", plugins=[tmp_path / "conf"])

    return make


def test_ours_are_named_by_the_benchmarks_and_claim_none() -> None:
    assert not any(plugin.benchmarks for plugin in plugins.OUR_BACKENDS.values())


@pytest.mark.parametrize(
    ("claim", "having"),
    [("bert", {"bert"}), ("resnet50", {"resnet50", "resnet50-mini"}), ("resnet50-mini", {"resnet50-mini"})],
)
def test_a_family_stands_for_its_benchmarks_and_an_id_for_one(
    claiming: Callable[..., Registry], claim: str, having: set[str]
) -> None:
    registry = claiming(claim)
    options = registry.library.options("benchmark")
    assert {one for one in options if "theirs" in registry.identities.benchmark(one).backends} == having


def test_it_comes_last_and_is_no_default_where_another_runs(claiming: Callable[..., Registry]) -> None:
    registry = claiming("resnet50")
    assert registry.identities.benchmark("resnet50").backends[-1] == "theirs"
    assert registry.get(benchmark="resnet50", system="generic_cpu").backend.name == "onnxruntime"


def test_it_is_the_default_where_no_other_runs(claiming: Callable[..., Registry]) -> None:
    registry = claiming("sdxl")
    assert registry.get(benchmark="sdxl", system="generic_cpu").backend.name == "theirs"
    (cell,) = registry.cells(system="generic_cpu", benchmark="sdxl", scenario="offline", **PLAIN)
    assert cell.state == "untuned"


def test_both_resolvers_take_the_cell(claiming: Callable[..., Registry]) -> None:
    registry = claiming("resnet50-mini")
    words = ["system=generic_cpu", "benchmark=resnet50-mini", "backend=theirs"]
    quick, slow = registry.compose(words, quick=True), registry.compose(words)
    assert quick.tree == slow.tree
    assert registry.structure(quick).backend.name == "theirs"
    assert registry.matrix.handed_over == 0


def test_no_other_configuration_changes(claiming: Callable[..., Registry], checkout: Path) -> None:
    cell = {"system": "generic_cpu", "benchmark": "resnet50-mini"}
    alone = Registry.load(checkout / "conf", plugins=[]).get(**cell)
    assert config_digest(claiming("resnet50").get(**cell)) == config_digest(alone)


def test_explain_names_who_claims(claiming: Callable[..., Registry]) -> None:
    (found,) = claiming("resnet50").explain("benchmark.backends", ["system=generic_cpu", "benchmark=resnet50"])
    *_, named, claimed = found.chain
    assert (named.origin, claimed.origin) == ("conf/benchmark/resnet50.yaml", "plug-in theirs")
    assert found.value == claimed.value == [*named.value, "theirs"]


def test_a_claim_without_an_option_of_the_backend_counts_for_nothing(claiming: Callable[..., Registry]) -> None:
    assert "theirs" not in claiming("resnet50", text=None).identities.benchmark("resnet50").backends


def test_a_wrong_file_of_theirs_stops_no_other_backend(claiming: Callable[..., Registry]) -> None:
    registry = claiming("resnet50", text="# @package _global_\nbackend: {name: theirs, device: abacus}\n")
    assert registry.get(benchmark="resnet50", system="generic_cpu").backend.name == "onnxruntime"
    with pytest.raises(ConfigError, match="abacus"):
        registry.get(benchmark="resnet50", system="generic_cpu", backend="theirs")


def test_what_is_not_claimed_is_refused_with_how_to(claiming: Callable[..., Registry]) -> None:
    with pytest.raises(ConfigError) as refused:
        claiming("resnet51").get(benchmark="resnet50-mini", system="generic_cpu", backend="theirs")
    (problem,) = refused.value.problems
    assert problem.message == "resnet50-mini has no theirs backend here; it has tensorrt, tensorrt_rtx, onnxruntime"
    assert problem.hint == (
        "choose backend=onnxruntime; if theirs can run it, add resnet50 or resnet50-mini to the benchmarks of its "
        "BackendPlugin, which has resnet51"
    )


def test_what_a_plugin_that_does_not_load_claims_is_not_known(claiming: Callable[..., Registry]) -> None:
    with pytest.raises(NotReady, match="Uninstall it"):
        claiming(fault="It does not load. Uninstall it.").get(benchmark="resnet50-mini", backend="theirs")

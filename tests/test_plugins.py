"""The table of plug-ins: lazy, and not to be broken by a wheel that is."""

from __future__ import annotations

import re
import sys
from importlib.metadata import EntryPoint
from typing import get_args

import pytest

from mlperf_registry import plugins
from mlperf_registry.schema.plugin import BackendPlugin
from mlperf_registry.schema.problem import ConfigError, NotReady
from mlperf_registry.schema.sections import Precision
from mlperf_registry.schema.workload import Workload
from mlperf_registry.structure import leaf_fields

GROUP = "mlperf_registry.backends"

THEIRS = """
from mlperf_registry.schema.plugin import BackendPlugin

BACKEND = BackendPlugin(name="acme", builder="acme.engine:Builder", runner="acme.engine:Runner", reads=())
"""


@pytest.fixture
def declare(tmp_path, monkeypatch):
    """Make a module of the given source, and backends' entry points of other distributions: name to object in it."""

    def make(source: str, *entries: tuple[str, str]) -> None:
        (tmp_path / "theirs.py").write_text(source)
        monkeypatch.syspath_prepend(tmp_path)
        found = [EntryPoint(name, f"theirs:{attribute}", GROUP) for name, attribute in entries]
        monkeypatch.setattr(plugins, "_declared", lambda group: found if group == GROUP else [])
        plugins.backends.cache_clear()

    yield make
    plugins.backends.cache_clear()
    sys.modules.pop("theirs", None)


def test_a_third_party_joins_the_table(declare):
    declare(THEIRS, ("acme", "BACKEND"))
    assert plugins.backend("acme").runner == "acme.engine:Runner"
    assert {"acme", "onnxruntime"} <= plugins.backends().keys()


@pytest.mark.parametrize(
    ("source", "fault"),
    [
        ("import a_package_that_nobody_has", "No module named 'a_package_that_nobody_has'"),
        ("raise OSError('libacme.so: cannot open shared object file')", "OSError: libacme.so"),
        ("this is no Python", "SyntaxError"),
        ("", "has no attribute 'BACKEND'"),
        ("BACKEND = {'name': 'acme'}", "is no BackendPlugin"),
    ],
)
def test_a_plugin_that_does_not_load_is_known_and_says_why(declare, source, fault):
    declare(source, ("acme", "BACKEND"))
    assert fault in plugins.backends()["acme"].fault
    with pytest.raises(NotReady, match=re.escape(fault)):
        plugins.backend("acme")
    with pytest.raises(NotReady, match=re.escape(fault)):
        plugins.require(plugins.backends()["acme"])
    assert plugins.backend("onnxruntime").fault is None


def test_a_name_that_two_distributions_bring_belongs_to_neither(declare):
    declare(THEIRS, ("acme", "BACKEND"), ("onnxruntime", "BACKEND"), ("acme", "BACKEND"))
    for name in ("acme", "onnxruntime"):
        with pytest.raises(NotReady, match=f"Both .* bring {GROUP}:{name}"):
            plugins.backend(name)


@pytest.mark.parametrize(
    ("package", "wrong"),
    [
        ("a_package_that_nobody_has", "is not there"),
        ("a_package_that_nobody_has.inside", "No module named 'a_package_that_nobody_has'"),
        ("json.decoder", "is a module, not a package"),
        ("json", "has no folder conf/"),
    ],
)
def test_a_conf_folder_that_is_declared_and_missing_is_a_fault(monkeypatch, package, wrong):
    declared = [EntryPoint("theirs", package, "mlperf_registry.conf")]
    monkeypatch.setattr(plugins, "_declared", lambda group: declared if group.endswith("conf") else [])
    plugins._conf_roots.cache_clear()
    try:
        assert plugins.conf_roots() == ()
        (fault,) = plugins.faults()
        assert package in fault and wrong in fault and "Repair or uninstall" in fault
    finally:
        plugins._conf_roots.cache_clear()


def test_faults_are_those_of_code_too(declare):
    declare("this is no Python", ("acme", "BACKEND"))
    (fault,) = plugins.faults()
    assert "SyntaxError" in fault


def test_the_number_formats_of_our_backends_are_the_schemas():
    for plugin in plugins.OUR_BACKENDS.values():
        assert set(plugin.precisions) <= set(get_args(Precision))


def test_an_unknown_name_is_bad_input_with_the_nearest():
    with pytest.raises(ConfigError, match="did you mean onnxruntime"):
        plugins.backend("onxruntime")
    with pytest.raises(ConfigError, match=r"known: bert, .*resnet50"):
        plugins.benchmark("zebra")


def test_a_backend_without_its_library_says_what_to_install():
    absent = ("a_package_that_nobody_has",)
    plugin = BackendPlugin(name="x", builder="a:B", runner="a:R", reads=(), imports=absent, extra="x")
    with pytest.raises(NotReady, match=r"pip install 'mlperf-registry\[x\]'"):
        plugins.require(plugin)


@pytest.mark.parametrize("target", ["no.such.module:Thing", "json:no_such_attribute"])
def test_a_target_that_does_not_load_is_an_environment_that_is_not_ready(target):
    with pytest.raises(NotReady, match=f"{target} does not load"):
        plugins.load(target)


def test_a_family_without_a_harness_is_known_and_not_ready():
    assert not plugins.benchmark("bert").runnable
    assert plugins.benchmark("resnet50").runnable
    for code in (plugins.require_harness, plugins.accuracy_scorer):
        with pytest.raises(NotReady, match="no harness for benchmarks of the family bert"):
            code("bert")
        with pytest.raises(ConfigError, match="did you mean bert"):
            code("bret")


@pytest.mark.parametrize("plugin", [*plugins.OUR_BENCHMARKS.values(), *plugins.OUR_BACKENDS.values()])
def test_the_options_that_our_plugins_name_are_there(plugin):
    assert plugin.options is None or plugins.load(plugin.options).__attrs_attrs__


def test_every_path_that_a_builder_of_ours_reads_is_a_field_somewhere():
    paths = {".".join(path) for path, _, _ in leaf_fields(Workload)}
    for section, table in (("benchmark", plugins.OUR_BENCHMARKS), ("backend", plugins.OUR_BACKENDS)):
        for plugin in table.values():
            if plugin.options is not None:
                paths |= {f"{section}.options.{'.'.join(p)}" for p, _, _ in leaf_fields(plugins.load(plugin.options))}
    sections = {path.rpartition(".")[0] for path in paths}
    for plugin in plugins.OUR_BACKENDS.values():
        assert set(plugin.reads) <= paths | sections

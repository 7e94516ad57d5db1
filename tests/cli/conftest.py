"""What the command line's tests share: ``mlperf(...)`` in this process, in an empty folder, with what it printed."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import attrs
import pytest

from mlperf_registry import plugins
from mlperf_registry.cli.main import main


@attrs.frozen
class Answer:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one document on stdout."""
        return json.loads(self.out)


Mlperf = Callable[..., Answer]


@pytest.fixture
def mlperf(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Mlperf:
    """Runs a command line in this process, in an empty working directory."""
    monkeypatch.chdir(tmp_path)

    def run(*argv: str) -> Answer:
        capsys.readouterr()
        code = main(argv)
        printed = capsys.readouterr()
        return Answer(code, printed.out, printed.err)

    return run


@pytest.fixture
def fault(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """What is wrong with another distribution here: it declares a folder conf/ that it does not bring."""
    declared = [EntryPoint("theirs", "a_package_that_nobody_has", "mlperf_registry.conf")]
    monkeypatch.setattr(plugins, "_declared", lambda group: declared if group.endswith(".conf") else [])
    plugins._conf_roots.cache_clear()
    (said,) = plugins.faults()
    yield said
    plugins._conf_roots.cache_clear()


RESULT: dict[str, Any] = {
    "schema": 1,
    "run_id": "1a2b3c4d",
    "started": "2026-01-02T03:04:05Z",
    "system": "generic_cpu",
    "benchmark": "resnet50-mini",
    "mini": True,
    "scenario": "Offline",
    "accuracy_target": "0.99",
    "power_setting": "MaxP",
    "harness": "native",
    "backend": "onnxruntime",
    "mode": "explore",
    "round": "v6.1",
    "tuned_round": "none",
    "division": "closed",
    "category": None,
    "weights": "trained",
    "config_digest": "0" * 64,
    "seeds": {"qsl": 1, "sample_index": 2, "schedule": 3},
    "valid": True,
    "reasons": [],
    "rule_breaches": [],
    "submittable": False,
    "metrics": [{"name": "result_samples_per_second", "value": 1000.0, "unit": "samples/s"}],
    "latency": {"99.00": 2_000_000},
    "accuracy": {"metric": "acc", "value": 92.0, "target": 90.09, "passed": True, "samples": 10_000},
    "engine": {"key": "abc", "path": "engines/abc", "reused": True},
    "versions": {"onnxruntime": "1.0"},
    "host": {"cores": 2},
    "log_dir": "",
    "report": None,
}
"""A good result, for tests that change a part of it."""


@pytest.fixture
def result() -> dict[str, Any]:
    """A result.json of a good run."""
    return json.loads(json.dumps(RESULT))

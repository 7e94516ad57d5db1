"""Run: what the child process is given in run.json. Plan, engine and folders; nothing left to resolve."""

from __future__ import annotations

from typing import Literal

import attrs

from mlperf_registry.schema.engine import Engine
from mlperf_registry.schema.knob import knob
from mlperf_registry.schema.plan import LoadGenSettings
from mlperf_registry.schema.workload import Workload

RUN_SCHEMA = 1
"""Version of run.json."""

LoadGenMode = Literal["PerformanceOnly", "AccuracyOnly"]


@attrs.frozen(kw_only=True)
class LoadGenTest:
    """One LoadGen test: one child process, one folder."""

    mode: LoadGenMode = knob("LoadGen's test mode.")
    settings: LoadGenSettings = knob("Every setting.")
    log_dir: str = knob("Folder of LoadGen's logs, relative to the run's folder.")
    audit_config: str | None = knob("audit.config of a compliance test, absolute.", default=None)


@attrs.frozen(kw_only=True)
class Run:
    """run.json."""

    schema: int = knob("Version of this file's form.")
    run_id: str = knob("Unique id of the run.")
    workload: Workload = knob("The typed configuration.")
    config_digest: str = knob("SHA-256 of the canonical workload.")
    engine: Engine = knob("What to execute.")
    tests: dict[str, LoadGenTest] = knob("performance, accuracy, later compliance tests.")
    scratch: str | None = knob("Scratch space; absent where all data ships with packages.", default=None)
    folder: str = knob("The run's folder, absolute.")

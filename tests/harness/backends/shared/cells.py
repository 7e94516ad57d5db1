"""run_of(): a run of a language model that needs no model and no GPU, for the tests of runners."""

from __future__ import annotations

import json

from harness.llm.engine_file import EngineFile
from mlperf_registry.digest import config_digest
from mlperf_registry.registry import Registry
from mlperf_registry.schema.engine import Engine
from mlperf_registry.schema.run import RUN_SCHEMA, Run


def run_of(folder, *overrides, **arguments):
    """A run of llama3.1-8b whose engine lies in ``folder`` and has these arguments."""
    checkpoint = folder / "checkpoint"
    checkpoint.mkdir()
    (checkpoint / "config.json").write_text(json.dumps({"eos_token_id": 2}))
    registry = Registry.load()
    cell = ("benchmark=llama3.1-8b", "scenario=offline", "tuned_round=none", "model.weights=random")
    workload = registry.structure(registry.compose([*cell, *overrides]))
    file = EngineFile(checkpoint=str(checkpoint), checkpoint_sha256="0", arguments=arguments).write(folder)
    return Run(
        schema=RUN_SCHEMA,
        run_id="0",
        workload=workload,
        config_digest=config_digest(workload),
        engine=Engine(key="", path=str(folder), file=file, sha256="", reused=True, why=""),
        tests={},
        folder=str(folder),
    )

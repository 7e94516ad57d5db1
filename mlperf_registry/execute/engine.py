"""The engine of a workload: built, or found in the cache, with what it is made of."""

from __future__ import annotations

from pathlib import Path

from mlperf_registry import plugins
from mlperf_registry.execute.calibration import ensure_cache
from mlperf_registry.execute.engine_cache import engine_folder, find_engine, get_engine
from mlperf_registry.execute.progress import Progress
from mlperf_registry.execute.recipe import make_recipe
from mlperf_registry.execute.room import not_written
from mlperf_registry.execute.scratch import scratch
from mlperf_registry.schema.engine import Engine
from mlperf_registry.schema.problem import NotReady
from mlperf_registry.schema.workload import Workload


def build(workload: Workload, build_dir: Path, progress: Progress) -> Engine:
    """Build the workload's engine, or find it in the cache.

    Raises:
        NotReady, RunFailed, ConfigError: as the builder says.
    """
    served = plugins.backend(workload.backend.name).takes == "nothing"
    if not served:  # elsewhere nothing is built
        progress.phase("build", f"{workload.backend.name} engine of {workload.benchmark.id}")
    ensure_cache(workload, scratch(), progress)
    recipe = make_recipe(workload, scratch())
    folder = engine_folder(build_dir, workload.system.id, workload.benchmark.id)

    def report(message: str) -> None:
        progress.phase("build", f"{workload.benchmark.id}: {message}")

    try:
        engine = get_engine(
            folder, recipe, force=workload.builder.force_build_engines, tell=progress.note, report=report
        )
    except OSError as error:
        raise not_written(folder, error) from error
    if served:
        servers = ", ".join(workload.llm.trtllm_server_urls) or "a server of ours"
        progress.note(f"{workload.backend.name} asks {servers}.")
    else:
        progress.note(f"Engine {engine.key}: {'reused' if engine.reused else 'built'}; {engine.why}.")
    return engine


def cached(workload: Workload, build_dir: Path) -> Engine:
    """The workload's engine, which must be in the cache already.

    Raises:
        NotReady: when it is not, with the reason and the command that builds it.
    """
    found = find_engine(
        engine_folder(build_dir, workload.system.id, workload.benchmark.id), make_recipe(workload, scratch())
    )
    if isinstance(found, Engine):
        return found
    raise NotReady(
        f"There is no engine for this configuration: {found}. Build it with `mlperf build` and the same overrides."
    )

"""``mlperf calibrate``: the INT8 calibration cache of a configuration, made anew."""

from __future__ import annotations

from mlperf_registry.cli.answer import print_json
from mlperf_registry.cli.jobs import own_stdout
from mlperf_registry.cli.request import Request
from mlperf_registry.cli.session import open_registry, overrides_of
from mlperf_registry.cli.terminal import watching
from mlperf_registry.digest import sha256_of
from mlperf_registry.execute.calibration import make_cache
from mlperf_registry.execute.scratch import scratch


def calibrate(request: Request) -> int:
    """Answer ``mlperf calibrate``; no system is looked for, since none changes the ranges."""
    registry = open_registry(request.systems)
    workload = registry.structure(registry.compose(overrides_of(request)))
    with own_stdout(request), watching() as progress:
        path = make_cache(workload, scratch(), progress)
    if request.json:
        print_json({"path": path and str(path), "sha256": path and sha256_of(path)})
    elif path is None:
        print("The network says itself where to quantise: it needs no calibration cache.")
    else:
        print(path)
    return 0

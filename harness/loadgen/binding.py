"""The one place that imports LoadGen: its Python binding has no type stubs, and may be absent where nothing runs.

Whatever else needs a LoadGen class or function takes it from here, when it needs it.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from mlperf_registry.schema.problem import NotReady

DISTRIBUTION = "mlcommons-loadgen"


def loadgen() -> Any:
    """The module ``mlperf_loadgen``.

    Raises:
        NotReady: when it is not installed.
    """
    try:
        return import_module("mlperf_loadgen")
    except ImportError as error:
        raise NotReady(f"LoadGen cannot be imported ({error}): pip install {DISTRIBUTION}") from error

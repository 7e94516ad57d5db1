"""OpenVINO's modules, imported when an engine needs them: everything else works without the library."""

from __future__ import annotations

from typing import Any

from mlperf_registry.schema.problem import NotReady

_INSTALL = "The backend openvino needs its library: pip install 'mlperf-registry[llm]'"


def import_openvino() -> Any:
    """The module ``openvino``, with its operations.

    Raises:
        NotReady: when it is absent.
    """
    try:
        import openvino
        import openvino.opset13
    except ImportError as error:
        raise NotReady(_INSTALL) from error
    return openvino


def import_genai() -> Any:
    """The module ``openvino_genai``.

    Raises:
        NotReady: when it is absent.
    """
    try:
        import openvino_genai
    except ImportError as error:
        raise NotReady(_INSTALL) from error
    return openvino_genai

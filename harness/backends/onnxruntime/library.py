"""ONNX Runtime's module, imported when an engine needs it: everything else works without the library."""

from __future__ import annotations

from typing import Any

from mlperf_registry.schema.problem import NotReady


def import_onnxruntime() -> Any:
    """The module ``onnxruntime``.

    Raises:
        NotReady: when it is absent.
    """
    try:
        import onnxruntime
    except ImportError as error:
        _require_uninterrupted(error)
        raise NotReady("The backend onnxruntime needs its library: pip install onnxruntime") from error
    return onnxruntime


def _require_uninterrupted(error: ImportError) -> None:
    # Ctrl-C while an extension module starts up comes out as an ImportError that tells only its cause.
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, KeyboardInterrupt):
            raise cause
        cause = cause.__cause__ or cause.__context__

"""``mlperf build --inspect``: an engine layer by layer, as a table or as JSON."""

from __future__ import annotations

from mlperf_registry import plugins
from mlperf_registry.cli.answer import print_json
from mlperf_registry.cli.table import table
from mlperf_registry.schema.engine import Engine, Inspection
from mlperf_registry.schema.problem import ConfigError, Problem
from mlperf_registry.structure import unstructure

_SHOWN = 48


def require_inspection(backend: str) -> None:
    """Check that engines of a backend can be looked into.

    Raises:
        ConfigError: when they cannot.
    """
    if plugins.backend(backend).inspect is None:
        able = ", ".join(name for name, plugin in plugins.backends().items() if plugin.inspect is not None)
        message = f"is {backend}, whose engines cannot be looked into"
        raise ConfigError([Problem("backend", message, hint=f"drop --inspect; engines of {able} can be")])


def show_inspection(engine: Engine, backend: str, *, as_json: bool) -> None:
    """Print what an engine consists of.

    Raises:
        NotReady: when this one says nothing.
    """
    found: Inspection = plugins.load(str(plugins.backend(backend).inspect))(engine)
    if as_json:
        print_json({"engine": unstructure(engine), **unstructure(found)})
        return
    rows = [
        (str(number), _short(layer.name), _short(layer.kind), _formats(layer.inputs), _formats(layer.outputs))
        for number, layer in enumerate(found.layers)
    ]
    print(table(("#", "layer", "kind", "inputs", "outputs"), rows, right=("#",)))
    memory = (("execution context", found.activation_bytes), ("weights", found.weight_bytes))
    print(f"Device memory: {', '.join(_memory(what, size) for what, size in memory)}")
    print(f"The engine {engine.key} lies in {engine.path}")


def _memory(what: str, size: int | None) -> str:
    return f"{what} not said by the library" if size is None else f"{size / 2**20:,.1f} MiB for {what}"


def _formats(formats: tuple[str, ...]) -> str:
    return _short(", ".join(dict.fromkeys(formats)))


def _short(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 3]}..."

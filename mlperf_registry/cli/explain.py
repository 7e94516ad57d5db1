"""``mlperf explain``: what a field means, what it is set to, and by which files and overrides, weakest first."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, get_args, get_origin

from mlperf_registry.cli.answer import print_json
from mlperf_registry.cli.request import Request
from mlperf_registry.cli.session import settled, tell_choices
from mlperf_registry.cli.table import one_line, table
from mlperf_registry.cli.terminal import say
from mlperf_registry.schema.components import PerComponent
from mlperf_registry.schema.nearest import nearest
from mlperf_registry.schema.problem import ConfigError, Problem

if TYPE_CHECKING:
    from mlperf_registry.compose.composed import Composed, Setting
    from mlperf_registry.registry import Explained, Registry


_WIDEST = 50
"""Characters of a value in the table of all."""


def explain(request: Request) -> int:
    """Answer ``mlperf explain [PATH] [overrides]``."""
    path, request = _path_of(request)
    registry, overrides = settled(request, say)
    found = registry.explain(path, overrides)
    composed = registry.compose(overrides, quick=True)
    tell_choices(registry, composed, say)
    _require_component(registry, composed, path)
    one = len(found) == 1 and found[0].path == path
    if request.json:
        print_json(found[0].as_json() if one else [explained.as_json() for explained in found])
    elif one:
        _print_one(found[0], composed.choices.get("backend"))
    else:
        _print_many(found)
    return 0


def _require_component(registry: Registry, composed: Composed, path: str | None) -> None:
    """A path below a field of per-component values ends in a component that the benchmark has."""
    fields = registry.fields()
    owner = next((name for name in fields if fields[name].open and (path or "").startswith(f"{name}.")), None)
    if owner is None:
        return
    hints = (fields[owner].type, *get_args(fields[owner].type))
    if not any(get_origin(hint) is PerComponent for hint in hints):
        return
    component = str(path).removeprefix(f"{owner}.")
    benchmark = registry.identities.benchmark(composed.choices["benchmark"] or "")
    known = (*benchmark.components, *benchmark.dla_components)
    if component not in known:
        raise ConfigError(
            [Problem(str(path), f"{benchmark.id} has no component {component!r}", hint=nearest(component, known))]
        )


def value_text(value: Any, unit: str | None) -> str:
    """A value and its unit as one phrase on one line; ``unset`` for none."""
    if value is None:
        return "unset"
    text = one_line(value) if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return f"{text} {unit}" if unit else text


def _path_of(request: Request) -> tuple[str | None, Request]:
    import attrs

    if request.words and "=" not in request.words[0] and not request.words[0].startswith("~"):
        return request.words[0], attrs.evolve(request, words=request.words[1:])
    return None, request


def _print_one(explained: Explained, backend: str | None) -> None:
    rows = [
        ("value", value_text(explained.value, explained.unit)),
        ("unit", explained.unit or "none"),
        ("what", explained.doc),
        ("engine", _readers(explained, backend)),
    ]
    print(explained.path)
    for name, text in rows:
        print(f"  {name:<8}{text}")
    print("  set by, weakest first (* holds):")
    if not explained.chain:
        print("    nothing")
    for setting in explained.chain:
        mark = "*" if setting is explained.chain[-1] else " "
        print(f"    {mark} {_place(setting)}: {value_text(setting.value, None)}")


def _readers(explained: Explained, backend: str | None) -> str:
    if not explained.engine:
        return "no builder reads it: a change keeps the engine"
    told = f"read by the builder of {', '.join(explained.engine)}: "
    if backend in explained.engine:
        return f"{told}a change means another engine"
    return f"{told}with {backend}, as here, a change keeps the engine"


def _print_many(found: list[Explained]) -> None:
    rows = [
        (one.path, _short(value_text(one.value, one.unit)), _place(one.chain[-1]) if one.chain else "nothing")
        for one in found
    ]
    print(table(("field", "value", "set by"), rows))


def _short(text: str) -> str:
    return text if len(text) <= _WIDEST else f"{text[: _WIDEST - 3]}..."


def _place(setting: Setting) -> str:
    return setting.origin if setting.line is None else f"{setting.origin}:{setting.line}"

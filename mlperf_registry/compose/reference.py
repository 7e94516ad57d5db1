"""The reference of fields: each with type, unit, range, default, where it applies, and whose engine depends on it.

``python -m mlperf_registry.compose.reference > docs/fields.md`` writes the page; a test keeps it current.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin

import attrs

from mlperf_registry import plugins
from mlperf_registry.compose.fields import Field, described_fields, option_fields
from mlperf_registry.schema.applicability import where
from mlperf_registry.schema.components import FrozenMap, PerComponent
from mlperf_registry.schema.not_fields import NOT_FIELDS, OLDER_NAMES
from mlperf_registry.structure import unstructure

_TITLE = """# Fields

Every field of a configuration, made from the schema by `python -m mlperf_registry.compose.reference`.

- **type**: `per component` is a mapping from engine to value; a benchmark of one engine may give the value alone.
- **unit**: of the number in JSON. YAML writes a duration or a memory size with its unit, as in `10min` or `7GiB`; where
  the field's name ends in the unit, a bare number will do.
- **applies to**: set anywhere else, a field is an error; empty: everywhere.
- **engine**: engine libraries whose builder reads the field, so that another value means another engine.
"""


@attrs.frozen(kw_only=True)
class Entry:
    """One field, in words."""

    path: str
    type: str
    unit: str
    range: str
    default: str
    """``required``, or the value in the canonical unit; empty where the field is then not set."""
    applies: str
    """Empty: everywhere."""
    engine: tuple[str, ...]
    """Engine libraries whose builder reads it."""
    doc: str

    def as_json(self) -> dict[str, Any]:
        """An object of ``list fields --json``."""
        return attrs.asdict(self)


def entries(family: str | None = None, backend: str | None = None) -> tuple[Entry, ...]:
    """Every field of a workload, and the options that a benchmark family and a backend own."""
    common = {path: field for path, field in described_fields().items() if not path.endswith(".options")}
    return tuple(_entry(path, field) for path, field in {**common, **option_fields(family, backend)}.items())


def page() -> str:
    """The reference page, in Markdown: sections of a workload, then the options of our families and backends."""
    sections: dict[str, list[Entry]] = {}
    for entry in entries():
        sections.setdefault(entry.path.rpartition(".")[0] or "The workload itself", []).append(entry)
    for family in plugins.OUR_BENCHMARKS:
        options = [entry for entry in entries(family=family) if entry.path.startswith("benchmark.options.")]
        sections[f"benchmark.options of the family {family}"] = options
    for backend in plugins.OUR_BACKENDS:
        options = [entry for entry in entries(backend=backend) if entry.path.startswith("backend.options.")]
        sections[f"backend.options of {backend}"] = options
    tables = (f"## {title}\n\n{_table(found)}" for title, found in sections.items() if found)
    return "\n".join((_TITLE, *tables, _no_fields()))


def _entry(path: str, field: Field) -> Entry:
    knob = field.knob
    applies = where(knob.applies)
    return Entry(
        path=path,
        type=_type(field.type),
        unit=knob.unit or "",
        range=getattr(knob.check, "words", ""),
        default=_default(field.default),
        applies="" if applies == "everything" else applies,
        engine=tuple(sorted(_readers(path))),
        doc=knob.doc,
    )


def _readers(path: str) -> Iterator[str]:
    for name, plugin in plugins.OUR_BACKENDS.items():
        if any(path == read or path.startswith(f"{read}.") for read in plugin.reads):
            yield name


def _type(hint: Any) -> str:
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        return _type(next(argument for argument in arguments if argument is not type(None)))
    if origin is Literal:
        return " | ".join(str(choice) for choice in arguments)
    if origin is tuple:
        return f"list of {_type(arguments[0])}"
    if origin is PerComponent:
        return f"{_type(arguments[0])}, per component"
    if origin is FrozenMap:
        return f"mapping to {_type(arguments[0])}"
    return {bool: "true or false", int: "whole number", float: "number", str: "text"}.get(hint, str(hint))


def _default(value: Any) -> str:
    if value is attrs.NOTHING:
        return "required"
    plain = unstructure(value)
    if plain is None or plain in ("", [], {}):
        return ""
    return str(plain).lower() if isinstance(plain, bool) else str(plain)


def _table(found: list[Entry]) -> str:
    rows = (
        (
            f"`{entry.path}`",
            entry.type,
            entry.unit,
            entry.range,
            entry.default,
            entry.applies,
            ", ".join(entry.engine),
            entry.doc,
        )
        for entry in found
    )
    return _markdown(("field", "type", "unit", "range", "default", "applies to", "engine", "what it is"), rows)


def _no_fields() -> str:
    names: Mapping[str, str] = {
        **{name: f"older name of `{path}`" for name, path in OLDER_NAMES.items()},
        **NOT_FIELDS,
    }
    rows = ((f"`{name}`", names[name]) for name in sorted(names))
    return f"## NVIDIA's names that are no fields\n\n{_markdown(('name', 'instead'), rows)}"


def _markdown(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |\n" for line in lines)


if __name__ == "__main__":
    sys.stdout.write(page())

"""``mlperf list``: what there is, as tables or JSON, from parsed files and the schema; only cells are composed."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin

import attrs

from mlperf_registry import plugins
from mlperf_registry.cli.answer import print_json
from mlperf_registry.cli.request import Request
from mlperf_registry.cli.session import open_registry
from mlperf_registry.cli.table import table
from mlperf_registry.cli.verbs import LISTED
from mlperf_registry.compose.fields import option_fields
from mlperf_registry.compose.nearest import nearest
from mlperf_registry.rules.plan import forbidden
from mlperf_registry.rules.round import load_round, round_names, rounds_of
from mlperf_registry.rules.rulebook import RULES
from mlperf_registry.schema.cell import AXES, POWER_NAMES, SCENARIO_NAMES, TARGET_NAMES
from mlperf_registry.schema.components import PerComponent
from mlperf_registry.schema.problem import ConfigError, NotReady, Problem
from mlperf_registry.structure import unstructure

if TYPE_CHECKING:
    from mlperf_registry.registry import CellRecord, Registry

Row = dict[str, Any]

_SHOWN_NAMES = {"scenario": SCENARIO_NAMES, "accuracy_target": TARGET_NAMES, "power_setting": POWER_NAMES}


@attrs.frozen
class _Listing:
    """One thing that can be listed."""

    rows: Callable[[Registry, dict[str, str]], Iterable[Row]]
    """Takes the filters too, so that it need not make what they would drop."""
    keys: tuple[str, ...]
    """Of every row; filters may name them."""
    columns: tuple[str, ...]
    """Keys that the table shows."""


def list_(request: Request) -> int:
    """Answer ``mlperf list WHAT [key=pattern ...]``."""
    what = request.words[0] if request.words else ""
    if what == "published":
        hint = "mlperf list cells state=tuned"
        raise ConfigError(
            [Problem(what, "not in this version, which lists cells with published values only", hint=hint)]
        )
    if what not in _LISTINGS:
        raise ConfigError([Problem(what or "list", "name what to list", hint=nearest(what, LISTED))])
    listing = _LISTINGS[what]
    registry = open_registry(request.systems)
    filters = _filters(registry, what, listing, request.words[1:])
    rows = [row for row in listing.rows(registry, filters) if _passes(row, filters)]
    if request.json:
        print_json(rows)
    else:
        print(table(listing.columns, ([_cell_text(row[key]) for key in listing.columns] for row in rows)))
    return 0


def judged(record: CellRecord) -> Row:
    """A cell as JSON gives it: six keys, its state, the rule that forbids it, the round of its tuned values.

    Raises:
        ConfigError: when its files are wrong.
    """
    state: str = record.state
    rule, why = None, record.why
    if state != "meaningless":
        try:
            breaches = forbidden(record.workload())
        except NotReady as error:  # a plug-in that does not load must not hide the cells of others
            breaches, why = (), str(error)
        if breaches:
            state, rule, why = "forbidden", breaches[0].rule, breaches[0].message
    row: Row = {axis: shown_option(axis, option) for axis, option in attrs.asdict(record.cell).items()}
    return {**row, "state": state, "rule": rule, "tuned_round": record.tuned_round, "why": why}


def shown_option(axis: str, option: str) -> str:
    """An option as JSON and folders name it: ``offline`` is ``Offline``."""
    return _SHOWN_NAMES.get(axis, {}).get(option, option)


def cell_patterns(registry: Registry, filters: dict[str, str]) -> dict[str, str]:
    """Filters of axes as patterns over options, aliases and shown names translated.

    Raises:
        ConfigError: for an option without wildcards that its axis does not have.
    """
    patterns, problems = {}, []
    for axis in AXES:
        if axis not in filters:
            continue
        pattern = filters[axis]
        if not any(mark in pattern for mark in "*?["):
            (pattern, *_) = (word.partition("=")[2] for word in registry.translate([f"{axis}={pattern}"]))
            if pattern not in registry.library.options(axis):
                problems.append(registry.library.unknown(axis, pattern))
        elif axis in _SHOWN_NAMES:
            pattern = pattern.lower()
        patterns[axis] = pattern
    if problems:
        raise ConfigError(problems)
    return patterns


def _systems(registry: Registry, filters: dict[str, str]) -> Iterator[Row]:
    for option in registry.library.options("system"):
        yield unstructure(registry.identities.system(option))


def _benchmarks(registry: Registry, filters: dict[str, str]) -> Iterator[Row]:
    for option in registry.library.options("benchmark"):
        one = registry.identities.benchmark(option)
        yield {
            "id": one.id,
            "description": one.description,
            "mini": one.mini,
            "family": one.family,
            "scenarios": [shown_option("scenario", name) for name in one.scenarios],
            "accuracy_targets": [shown_option("accuracy_target", name) for name in one.accuracy_targets],
            "harnesses": list(one.harnesses),
            "backends": list(one.backends),
            "rounds": list(rounds_of(one.rules_as)),
            "aliases": list(one.aliases),
        }


def _scenarios(registry: Registry, filters: dict[str, str]) -> Iterator[Row]:
    benchmarks = [registry.identities.benchmark(option) for option in registry.library.options("benchmark")]
    for option in registry.library.options("scenario"):
        having = [benchmark.id for benchmark in benchmarks if option in benchmark.scenarios]
        yield {"option": option, "name": shown_option("scenario", option), "benchmarks": having}


def _cells(registry: Registry, filters: dict[str, str]) -> Iterator[Row]:
    patterns = cell_patterns(registry, filters)
    for axis in patterns:
        del filters[axis]
    return (judged(record) for record in registry.cells(**patterns))


def _fields(registry: Registry, filters: dict[str, str]) -> Iterator[Row]:
    readers = plugins.backends()
    owned = [(name, option_fields(name, None)) for name in plugins.benchmarks()]
    owned += [(name, option_fields(None, name)) for name in readers]
    for owner, fields in ((None, registry.fields()), *owned):
        for path, field in fields.items():
            yield {
                "path": path,
                "type": type_name(field.type),
                "unit": field.knob.unit,
                "default": None if field.default is attrs.NOTHING else unstructure(field.default),
                "required": field.default is attrs.NOTHING,
                "doc": field.knob.doc,
                "owner": owner,
                "engine": [name for name, plugin in readers.items() if path in plugin.reads],
            }


def _rules(registry: Registry, filters: dict[str, str]) -> Iterator[Row]:
    for name in round_names():
        if not fnmatchcase(name, filters.get("round", "*")):
            continue
        round_ = load_round(name)
        for rule in RULES:
            yield {
                "round": name,
                "id": rule.id,
                "path": rule.path,
                "judges": rule.judges,
                "divisions": list(rule.divisions),
                "scenarios": [shown_option("scenario", option) for option in rule.scenarios],
                "reason": rule.reason,
                "citation": round_.cite(rule.citation),
            }


def _backends(registry: Registry, filters: dict[str, str]) -> Iterator[Row]:
    for option in registry.library.options("backend"):
        backend = registry.identities.backend(option)
        lacks = None
        try:
            plugins.require(plugins.backend(backend.name))
        except (NotReady, ConfigError) as error:
            lacks = str(error)
        yield {"name": option, "device": backend.device, "available": lacks is None, "lacks": lacks}


_BENCHMARK_KEYS = (
    "id",
    "description",
    "mini",
    "family",
    "scenarios",
    "accuracy_targets",
    "harnesses",
    "backends",
    "rounds",
    "aliases",
)
_CELL_KEYS = (*AXES, "state", "rule", "tuned_round", "why")

_LISTINGS = {
    "systems": _Listing(
        _systems,
        ("id", "description", "devices", "category", "accelerator", "accelerator_count", "aliases"),
        ("id", "accelerator", "accelerator_count", "category", "description"),
    ),
    "benchmarks": _Listing(
        _benchmarks,
        _BENCHMARK_KEYS,
        ("id", "scenarios", "accuracy_targets", "backends", "rounds", "description"),
    ),
    "scenarios": _Listing(_scenarios, ("option", "name", "benchmarks"), ("option", "name", "benchmarks")),
    "cells": _Listing(_cells, _CELL_KEYS, (*AXES, "state", "tuned_round", "rule")),
    "fields": _Listing(
        _fields,
        ("path", "type", "unit", "default", "required", "doc", "owner", "engine"),
        ("path", "type", "unit", "default", "doc"),
    ),
    "rules": _Listing(
        _rules,
        ("round", "id", "path", "judges", "divisions", "scenarios", "reason", "citation"),
        ("round", "id", "path", "divisions", "reason"),
    ),
    "backends": _Listing(_backends, ("name", "device", "available", "lacks"), ("name", "device", "available", "lacks")),
}


def type_name(hint: Any) -> str:
    """A field's type as help names it: ``whole number``, ``Offline|Server``, ``number per component``."""
    origin, arguments = get_origin(hint), [one for one in get_args(hint) if one is not type(None)]
    if origin is Literal:
        return "|".join(map(str, arguments))
    if origin is PerComponent:
        return f"{type_name(arguments[0])} per component"
    if origin is tuple:
        return f"list of {type_name(arguments[0])}"
    if origin is dict:
        return f"mapping of {type_name(arguments[1])}"
    if origin is not None:
        return type_name(arguments[0])
    return {bool: "true|false", int: "whole number", float: "number", str: "text"}.get(hint, "any")


def _filters(registry: Registry, what: str, listing: _Listing, words: Sequence[str]) -> dict[str, str]:
    filters, problems = {}, []
    for word in words:
        key, equals, pattern = word.partition("=")
        if not equals:
            known = ", ".join(listing.keys)
            problems.append(Problem(word, "this is no filter", hint=f"write key=pattern, with a key of {known}"))
        elif key not in listing.keys:
            problems.append(Problem(key, f"{what} have no such key", hint=nearest(key, listing.keys)))
        else:
            filters[key] = pattern
    if problems:
        raise ConfigError(problems)
    return filters


def _passes(row: Row, filters: dict[str, str]) -> bool:
    return all(_matches(row[key], pattern) for key, pattern in filters.items())


def _matches(value: Any, pattern: str) -> bool:
    if isinstance(value, list):
        return any(_matches(item, pattern) for item in value)
    return fnmatchcase(_cell_text(value).lower(), pattern.lower())


def _cell_text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, list):
        return " ".join(map(str, value))
    return value if isinstance(value, str) else json.dumps(value)

"""``mlperf list``: what there is, as tables or JSON, from parsed files and the schema; only cells are composed."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

import attrs

from mlperf_registry import plugins
from mlperf_registry.cli.answer import print_json
from mlperf_registry.cli.cells import STATES, WRONG, Relatives, Row, cell_patterns, judged_or_wrong, shown_option
from mlperf_registry.cli.request import Request
from mlperf_registry.cli.session import open_registry, tell_faults
from mlperf_registry.cli.table import table
from mlperf_registry.cli.terminal import say
from mlperf_registry.cli.verbs import LISTED
from mlperf_registry.compose.benchmark_table import BenchmarkRow, benchmark_rows
from mlperf_registry.compose.reference import Entry, entries
from mlperf_registry.published.results import FILTERS, PublishedResult, published
from mlperf_registry.rules.round import load_round, round_names, rounds_of
from mlperf_registry.rules.rulebook import RULES
from mlperf_registry.schema.cell import AXES
from mlperf_registry.schema.nearest import nearest
from mlperf_registry.schema.problem import ConfigError, NotReady, Problem
from mlperf_registry.structure import unstructure

if TYPE_CHECKING:
    from mlperf_registry.registry import Registry


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
    """Answer ``mlperf list WHAT [key=pattern ...]``; 2 when a cell that is listed is wrong.

    Raises:
        ConfigError: for what cannot be listed, and for a filter without wildcards whose value no row has.
    """
    what = request.words[0] if request.words else ""
    if what not in _LISTINGS:
        raise ConfigError([Problem(what or "list", "name what to list", hint=nearest(what, LISTED))])
    listing = _LISTINGS[what]
    registry = open_registry(request.systems)
    tell_faults(say)
    filters = _filters(registry, what, listing, request.words[1:])
    given = dict(filters)
    rows = [row for row in listing.rows(registry, filters) if _passes(row, filters)]
    if not rows and what != "cells":
        _refuse_absent(registry, listing.rows(registry, dict.fromkeys(FILTERS, "*")), given)
    if request.json:
        print_json(rows)
    else:
        print(table(listing.columns, ([_cell_text(row[key]) for key in listing.columns] for row in rows)))
    return 2 if any(row.get("state") == WRONG for row in rows) else 0


def filter_keys(what: str) -> tuple[str, ...]:
    """The keys by which one of the lists can be filtered; none for a list that there is not."""
    return _LISTINGS[what].keys if what in _LISTINGS else ()


def filter_values(what: str, key: str) -> tuple[str, ...]:
    """The single words that a filter may ask for: of cells, what they can have; of other lists, what some row has.

    None for a key that the list does not have, and for one that holds figures or sentences.
    """
    if key not in filter_keys(what):
        return ()
    registry = open_registry(())
    if what == "cells":
        found: Iterable[str] = registry.library.options(key) if key in AXES else _cell_texts(registry).get(key, ())
    else:
        rows = _LISTINGS[what].rows(registry, {"metric": "*"} if what == "published" else {})
        values = (row[key] for row in rows)
        found = (text for value in values if not isinstance(value, float) for text in _texts(value))
    return tuple(dict.fromkeys(text for text in found if _ONE_WORD.fullmatch(text)))


def _systems(registry: Registry, filters: dict[str, str]) -> Iterator[Row]:
    from mlperf_registry.cli.auto import known_systems

    for system in known_systems(registry):
        file = registry.library.require("system", system.id).origin
        yield {**unstructure(system), "file": file, "replaces": registry.library.replaced(system.id)}


def _benchmarks(registry: Registry, filters: dict[str, str]) -> Iterator[Row]:
    for row in benchmark_rows(registry.library, registry.identities):
        yield {
            **row.as_json(),
            "scenarios": [shown_option("scenario", name) for name in row.scenarios],
            "accuracy_targets": [shown_option("accuracy_target", name) for name in row.accuracy_targets],
            "rounds": list(rounds_of(registry.identities.benchmark(row.id).rules_as)),
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
    state = filters.get("state")
    for key, known in _cell_texts(registry).items():
        value = filters.get(key, "*")
        if not _has_wildcards(value) and value.lower() not in known:
            raise ConfigError([Problem(key, f"no cell ever has {value!r}", hint=nearest(value, known))])
    relatives = Relatives(registry)
    problems: dict[Problem, None] = {}
    left_out = 0
    for record in registry.cells(**patterns):
        if state is None and record.state == "meaningless":
            left_out += 1
        elif state is None or any(_matches(possible, state) for possible in (record.state, *_LATER[record.state])):
            row = judged_or_wrong(record, problems)
            yield {**row, **relatives.of(record.cell, row["state"])}
    for problem in problems:
        say(str(problem))
    if left_out:
        say(f"{left_out:,} meaningless cells are left out; state=* lists them too, and state=meaningless only them.")


def _cell_texts(registry: Registry) -> dict[str, tuple[str, ...]]:
    """What cells can have in the columns beside the axes, as far as it is known without composing them."""
    rules = tuple(rule.id for rule in RULES)
    return {"state": STATES, "rule": rules, "tuned_round": registry.library.options("tuned_round")}


def _fields(registry: Registry, filters: dict[str, str]) -> Iterator[Row]:
    for entry in entries():
        yield {**entry.as_json(), "owner": None}
    owned = [(family, entries(family=family)) for family in plugins.benchmarks()]
    owned += [(backend, entries(backend=backend)) for backend in plugins.backends()]
    for owner, found in owned:
        for entry in found:
            if entry.path.startswith(("benchmark.options.", "backend.options.")):
                yield {**entry.as_json(), "owner": owner}


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


def _published(registry: Registry, filters: dict[str, str]) -> Iterable[Row]:
    wanted = {key: filters.pop(key) for key in FILTERS if key in filters}
    benchmark = wanted.get("benchmark", "*")
    if not _has_wildcards(benchmark):
        translated = dict(word.split("=") for word in registry.translate([f"benchmark={benchmark}"]))
        if translated["benchmark"] not in registry.library.options("benchmark"):
            raise ConfigError([registry.library.unknown("benchmark", benchmark)])
        wanted = {**translated, **wanted, "benchmark": translated["benchmark"]}
    rows = published(wanted)
    # A log has more metrics than the one that its round compares; they are there for those who name them.
    shown = rows if "metric" in wanted else [row for row in rows if row.official]
    if len(shown) < len(rows):
        say(f"{len(rows) - len(shown):,} metrics that their round does not compare are left out; metric=* lists them.")
    return map(attrs.asdict, shown)


def _backends(registry: Registry, filters: dict[str, str]) -> Iterator[Row]:
    benchmarks = [registry.identities.benchmark(option) for option in registry.library.options("benchmark")]
    for option in registry.library.options("backend"):
        backend = registry.identities.backend(option)
        lacks = None
        try:
            plugins.require(plugins.backend(backend.name))
        except (NotReady, ConfigError) as error:
            lacks = str(error)
        yield {
            "name": option,
            "device": backend.device,
            "available": lacks is None,
            "benchmarks": [benchmark.id for benchmark in benchmarks if option in benchmark.backends],
            "lacks": lacks,
        }


_BENCHMARK_KEYS = (*(field.name for field in attrs.fields(BenchmarkRow)), "rounds")
_FIELD_KEYS = (*(field.name for field in attrs.fields(Entry)), "owner")
_PUBLISHED_KEYS = tuple(field.name for field in attrs.fields(PublishedResult))
_ONE_WORD = re.compile(r"[\w.,/+@%-]+")
"""What a shell takes as it stands, and no filter for a pattern."""
_CELL_KEYS = (*AXES, "state", "rule", "tuned_round", "why", "relative", "harness_code")
_LATER = {"meaningless": (), "untuned": ("forbidden", WRONG), "tuned": ("forbidden", WRONG)}
"""State before a cell is composed and the rules are asked to what may come of it."""

_LISTINGS = {
    "systems": _Listing(
        _systems,
        ("id", "description", "devices", "category", "accelerator", "accelerator_count", "aliases", "file", "replaces"),
        ("id", "accelerator", "accelerator_count", "category", "description", "replaces"),
    ),
    "benchmarks": _Listing(
        _benchmarks,
        _BENCHMARK_KEYS,
        (
            "id",
            "loadgen_key",
            "checker_directory",
            "scenarios",
            "accuracy_targets",
            "backends",
            "harness",
            "rounds",
            "description",
        ),
    ),
    "scenarios": _Listing(_scenarios, ("option", "name", "benchmarks"), ("option", "name", "benchmarks")),
    "cells": _Listing(_cells, _CELL_KEYS, (*AXES, "state", "tuned_round", "rule", "relative")),
    "fields": _Listing(
        _fields,
        _FIELD_KEYS,
        ("path", "type", "unit", "range", "default", "applies", "doc"),
    ),
    "rules": _Listing(
        _rules,
        ("round", "id", "path", "judges", "divisions", "scenarios", "reason", "citation"),
        ("round", "id", "path", "divisions", "reason"),
    ),
    "published": _Listing(
        _published,
        _PUBLISHED_KEYS,
        (
            "round",
            "submitter",
            "system",
            "accelerator",
            "accelerators",
            "benchmark",
            "scenario",
            "accuracy_target",
            "value",
            "unit",
            "per_accelerator",
            "note",
        ),
    ),
    "backends": _Listing(
        _backends, ("name", "device", "available", "benchmarks", "lacks"), ("name", "device", "available", "lacks")
    ),
}


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


def _refuse_absent(registry: Registry, rows: Iterable[Row], filters: dict[str, str]) -> None:
    """Refuse filters that name a value which nothing has: a typo must not look like an empty list.

    What elsewhere is an option is no typo: that nobody has published anything of it is an answer.
    """
    every = list(rows)
    problems = []
    for key, pattern in filters.items():
        if _has_wildcards(pattern) or _is_option(registry, key, pattern):
            continue
        if any(_matches(row[key], pattern) for row in every):
            continue
        values = [row[key] for row in every]
        if not any(isinstance(value, (int, float)) for value in values):
            texts = {text for value in values for text in _texts(value)}
            problems.append(Problem(key, f"nothing that is listed has {pattern!r}", hint=nearest(pattern, texts)))
    if problems:
        raise ConfigError(problems)


def _is_option(registry: Registry, key: str, text: str) -> bool:
    if key == "round":
        return text.lower() in round_names()
    if key not in registry.library.groups:
        return False
    (option, *_) = (word.partition("=")[2] for word in registry.translate([f"{key}={text}"]))
    return option in registry.library.options(key)


def _has_wildcards(pattern: str) -> bool:
    return any(mark in pattern for mark in "*?[")


def _texts(value: Any) -> tuple[str, ...]:
    return tuple(map(_cell_text, value)) if isinstance(value, (list, tuple)) else (_cell_text(value),)


def _passes(row: Row, filters: dict[str, str]) -> bool:
    return all(_matches(row[key], pattern) for key, pattern in filters.items())


def _matches(value: Any, pattern: str) -> bool:
    if isinstance(value, (list, tuple)):
        return any(_matches(item, pattern) for item in value)
    return fnmatchcase(_cell_text(value).lower(), pattern.lower())


def _cell_text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, (list, tuple)):
        return " ".join(map(str, value))
    if isinstance(value, float):
        return f"{value:,.2f}"
    return value if isinstance(value, str) else json.dumps(value)

"""From a request's words to a registry and a workload, with everything that was chosen for the user said aloud."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args, get_origin

from mlperf_registry import plugins
from mlperf_registry.cli.auto_words import asks_for_auto
from mlperf_registry.cli.request import Request
from mlperf_registry.roots import SYSTEMS_VARIABLE
from mlperf_registry.schema.nearest import nearest
from mlperf_registry.schema.problem import ConfigError, Problem

if TYPE_CHECKING:
    from mlperf_registry.compose.composed import Composed
    from mlperf_registry.registry import Registry

_HYDRAS_OWN = re.compile(r"[+~]*hydra(?![\w-])")


def open_registry(systems: Sequence[Path]) -> Registry:
    """The registry over our conf/, plug-ins' and the user's systems, those given by flag first.

    Raises:
        ConfigError: when $MLPERF_SYSTEMS_PATH names a folder that is none, or one of systems may not be read.
    """
    from mlperf_registry.registry import Registry

    named = [part for part in os.environ.get(SYSTEMS_VARIABLE, "").split(os.pathsep) if part]
    strange = [part for part in named if not Path(part).is_dir()]
    if strange:
        hint = f"make it, or take it out of ${SYSTEMS_VARIABLE}"
        raise ConfigError(Problem(SYSTEMS_VARIABLE, f"{part} is no folder", hint=hint) for part in strange)
    registry = Registry.load(systems=systems)
    closed = [root for root in registry.library.roots.systems if not os.access(root, os.R_OK | os.X_OK)]
    if closed:
        hint = "change its permissions"
        raise ConfigError(Problem(str(root), "may not be read by this user", hint=hint) for root in closed)
    return registry


def settled(request: Request, tell: Callable[[str], None]) -> tuple[Registry, tuple[str, ...]]:
    """The registry and the overrides of one configuration, with the system that this machine is where none is named.

    Raises:
        ConfigError, NotReady: as ``open_registry``, ``overrides_of`` and ``Here.settle``.
    """
    words, registry = overrides_of(request), open_registry(request.systems)
    if not asks_for_auto(words):
        return registry, words
    from mlperf_registry.cli.auto import Here

    return Here(registry, request.build_dir).settle(words, tell)


def overrides_of(request: Request) -> tuple[str, ...]:
    """The request's words as overrides of one configuration.

    Raises:
        ConfigError: for words that are none, and for settings of Hydra itself, which only a sweep has a use for.
    """
    problems = []
    for word in request.words:
        key, _, value = word.partition("=")
        if _HYDRAS_OWN.match(word):
            problems.append(Problem(word, "configures Hydra's sweeps, and this is none", hint="add -m"))
        elif "=" not in word and not word.startswith("~"):
            problems.append(not_an_override(word))
        elif "," in value and value in allowed_texts(key):
            # Hydra takes it for a sweep, and composing would advise -m.
            hint = f"""in a shell '{key}="{value}"'"""
            problems.append(Problem(key, f"the one value {value} must be in quotes", f"override:{word}", hint=hint))
    if problems:
        raise ConfigError(problems)
    return request.words


def allowed_texts(path: str) -> tuple[str, ...]:
    """The texts that a field of the schema takes; empty for a field that takes others, and where there is none."""
    from mlperf_registry.compose.fields import workload_fields

    field = workload_fields().get(path)
    hints = () if field is None else (field.type, *get_args(field.type))
    return next((tuple(map(str, get_args(hint))) for hint in hints if get_origin(hint) is Literal), ())


def not_an_override(word: str) -> Problem:
    """The problem of a word that is neither an override nor anything else."""
    from mlperf_registry.cli.verbs import VERBS

    near = nearest(word, VERBS)
    return Problem(word, "this is no override", hint=f"write group=option or field=value; for a verb, {near}")


def tell_faults(tell: Callable[[str], None]) -> None:
    """A line for each fault of other distributions' plug-ins: what they would bring is missing or cannot be used."""
    for fault in plugins.faults():
        tell(fault)


def tell_choices(registry: Registry, composed: Composed, tell: Callable[[str], None]) -> None:
    """A line for each option chosen for the user, with its reason, and one that says whether the cell is tuned."""
    system = composed.choices.get("system") or ""
    replaced = registry.library.replaced(system)
    if replaced is not None:
        tell(f"system={system}: yours, in place of {replaced}")
    for choice in composed.chosen:
        tell(f"{choice.text}: {choice.why}")
    asked = composed.choices.get("tuned_round")
    if any(choice.key == "tuned_round" for choice in composed.chosen) or asked in (None, "none"):
        return
    derivation = registry.derivation(composed)
    if derivation is not None:
        tell(f"derived: {asked} has {derivation.text}")
    elif registry.is_tuned(composed):
        tell(f"tuned: {asked} has values for this cell")
    else:
        tell(f"untuned: {asked} has no values for this cell with {composed.choices.get('backend')}")

"""Choices: aliases become options, and what the user left open is chosen, with a reason: backend, round, target, tuned.

Hydra knows neither: a choice that depends on other choices, nor a second name for an option.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence

import attrs

from mlperf_registry.compose.composed import Choice
from mlperf_registry.compose.defaults_list import read_defaults_list
from mlperf_registry.compose.identities import Identities, StatedRound
from mlperf_registry.compose.library import Library
from mlperf_registry.compose.override import Override
from mlperf_registry.compose.tree import OutsideDialect
from mlperf_registry.compose.tuned import TunedCell, age
from mlperf_registry.compose.tuned_file import variant_of
from mlperf_registry.schema.cell import AXES, canonical_option
from mlperf_registry.schema.nearest import nearest
from mlperf_registry.schema.problem import ConfigError, Problem

NONE = "none"
"""The tuned round of a cell without tuned values."""

_NAMED = ("system", "benchmark")
_NEEDED = (*AXES, "backend", "tuned_round", "mode")
_WITH_TARGET = re.compile(r"(?P<benchmark>.+)-(?P<target>99|99\.9)", re.ASCII)
_CHOICE = re.compile(r"(?P<group>[a-z_]+)=(?P<options>[\w.,+/-]+)", re.ASCII)


@attrs.frozen
class Rounds:
    """What the rules know of rounds; handed in, since composing does not depend on rules."""

    names: tuple[str, ...]
    """Newest last."""
    newest: Callable[[str], str | None]
    """The newest round that has a benchmark, by ``benchmark.rules_as``; None where none has it."""
    targets: Callable[[str, str], tuple[str, ...]] = lambda name, rules_as: ()
    """Accuracy targets at which a round has a benchmark, by the round's name and ``benchmark.rules_as``."""


class NoEngineLibrary(ConfigError):
    """A benchmark none of whose engine libraries runs on a system: the cell has no meaning, and no file is wrong."""


def translate(library: Library, identities: Identities, overrides: Sequence[str]) -> list[str]:
    """Overrides with every alias replaced by its option, in lists of a sweep too; unknown names stay as they are.

    A benchmark's name may end in its target, as in ``bert-99.9``; an ``accuracy_target`` then follows.

    Raises:
        ConfigError: when such a name contradicts the target given, or stands in a list.
    """
    translated: list[str] = []
    problems: list[Problem] = []
    fixed: dict[str, str] = {}
    for text in overrides:
        match = _CHOICE.fullmatch(text)
        if match is None or match["group"] not in library.groups:
            translated.append(text)
            continue
        group = match["group"]
        options = []
        for name in match["options"].split(","):
            # To know all aliases is to read every system's file: most names are options themselves.
            known = group in _NAMED and name in library.options(group)
            option, target = (name, None) if known else _option(identities, group, name)
            options.append(option)
            if target is not None:
                fixed[text] = target
        translated.append(f"{group}={','.join(options)}")
        if len(options) > 1 and text in fixed:
            hint = f"write benchmark={','.join(options)} accuracy_target=..."
            problems.append(
                Problem(group, "a name that ends in its accuracy target cannot be swept", f"override:{text}", hint=hint)
            )
    for text, target in fixed.items():
        others = [
            word for word in translated if word.startswith("accuracy_target=") and word != f"accuracy_target={target}"
        ]
        problems.extend(
            Problem(
                "accuracy_target",
                f"{text} asks for {target}, and {word} for another",
                f"override:{word}",
                hint="give one of them",
            )
            for word in others
        )
        if f"accuracy_target={target}" not in translated:
            translated.append(f"accuracy_target={target}")
    if problems:
        raise ConfigError(problems)
    return translated


def chosen_options(library: Library, overrides: Sequence[Override]) -> dict[str, str]:
    """Group to option before anything is chosen for the user: the primary config's, then the overrides'.

    Raises:
        ConfigError: when an override takes a group away that others depend on.
    """
    try:
        entries = read_defaults_list(library.config)
    except OutsideDialect as error:
        raise ConfigError(
            [Problem("defaults", f"the primary config has another form: {error}", library.config.origin)]
        ) from error
    options = {entry.group: entry.option for entry in entries if entry.group and entry.option is not None}
    made = [override for override in overrides if library.is_choice(override)]
    missing = [override for override in made if override.kind == "delete" and override.key in _NEEDED]
    if missing:
        raise ConfigError(
            Problem(one.key, "cannot be left out", f"override:{one.text}", hint=nearest("", library.options(one.key)))
            for one in missing
        )
    options.update({override.key: override.written for override in made if override.kind != "delete"})
    return options


def choose(
    library: Library, identities: Identities, options: Mapping[str, str], rounds: Rounds, *, given: Mapping[str, str]
) -> tuple[Choice, ...]:
    """What the user left open, in the order in which one follows from the other.

    Args:
        library: where tuned values lie.
        identities: of benchmark, system and backends.
        options: group to option for the six axes, and of further groups whose files may set a round.
        rounds: what the rules know of rounds.
        given: what the user said about ``backend``, ``round``, ``accuracy_target`` and ``tuned_round``.

    Raises:
        NoEngineLibrary: when no engine library of the benchmark runs on the system.
        ConfigError: when a file is wrong, a base of the system, or the round that a file sets is unknown.
    """
    library.tuned.derivations(options["system"])
    made = []
    if "backend" not in given:
        made.append(default_backend(identities, options["benchmark"], options["system"]))
    stated = None if "round" in given else identities.stated_round(options)
    if stated is not None:
        given = {**given, "round": _known(stated, rounds)}
    elif "round" not in given:
        made.append(default_round(identities, options["benchmark"], rounds))
    settled = {**{choice.key: choice.option for choice in made}, **given}
    if "accuracy_target" not in given:
        made += default_target(identities, options, rounds, settled["round"])
        settled = {**{choice.key: choice.option for choice in made}, **given}
    if "tuned_round" not in given:
        made.append(default_tuned_round(library, {**options, **settled}, settled["round"]))
    return tuple(made)


def default_backend(identities: Identities, benchmark: str, system: str) -> Choice:
    """The first engine library of the benchmark that runs on a device of the system."""
    devices = identities.system(system).devices
    name = next(runnable(identities, benchmark, devices), None)
    if name is not None:
        device = identities.backend(name).device
        return Choice("backend", name, f"first engine library of {benchmark} for a {device} of {system}")
    libraries = identities.benchmark(benchmark).backends
    message = f"{benchmark} runs with {', '.join(libraries)}, none of which runs on {system} ({', '.join(devices)})"
    raise NoEngineLibrary([Problem("backend", message, hint="choose another system or benchmark")])


def runnable(identities: Identities, benchmark: str, devices: Sequence[str]) -> Iterator[str]:
    """The engine libraries of the benchmark that run on one of these kinds of device, in order of preference.

    Each is looked at when it is asked for: a plug-in's wrong file does not stop those before it.
    """
    return (name for name in identities.benchmark(benchmark).backends if identities.backend(name).device in devices)


def default_round(identities: Identities, benchmark: str, rounds: Rounds) -> Choice:
    """The newest round that has the benchmark; the newest of all for one that no round has."""
    rules_as = identities.benchmark(benchmark).rules_as
    newest = rounds.newest(rules_as)
    if newest is not None:
        return Choice("round", newest, f"newest round that has {rules_as}")
    return Choice("round", rounds.names[-1], f"newest round; none has {rules_as}")


def default_target(
    identities: Identities, options: Mapping[str, str], rounds: Rounds, round_name: str
) -> tuple[Choice, ...]:
    """Another target than the primary config's where the round has the benchmark, but not at that one; else nothing."""
    benchmark = identities.benchmark(options["benchmark"])
    judged = rounds.targets(round_name, benchmark.rules_as)
    shared = [name for name in judged if name in benchmark.accuracy_targets]
    if not shared or options["accuracy_target"] in judged:
        return ()
    why = f"{round_name} has {benchmark.rules_as} at {', '.join(judged)}, not at {options['accuracy_target']}"
    return (Choice("accuracy_target", shared[0], why),)


def default_tuned_round(library: Library, options: Mapping[str, str], round_name: str) -> Choice:
    """The newest round, not after ``round_name``, with values for the cell and its engine library; else none.

    Values of the system's own come before those of its bases, of whatever round.
    """
    tuned = library.tuned
    variant = variant_of(options["accuracy_target"], options["harness"], options["power_setting"])
    other_backends: dict[str, tuple[str, ...]] = {}
    for name in tuned.rounds_of(options["system"], options["benchmark"], options["scenario"]):
        if age(name) > age(round_name):
            continue
        cell = TunedCell(name, options["system"], options["benchmark"], options["scenario"])
        derivation = tuned.derivation(cell)
        if tuned.holds(cell, variant, options["backend"]):
            if derivation is not None:
                return Choice("tuned_round", name, f"derived: {derivation.text}")
            return Choice("tuned_round", name, f"newest round not after {round_name} with values for this cell")
        file = tuned.file(tuned.source(cell))
        if file is not None and variant in file.tuned_for:
            other_backends[name] = file.backends
    if other_backends:
        name, backends = next(iter(other_backends.items()))
        why = f"untuned: {name}'s values hold for {', '.join(backends)}, not for {options['backend']}"
    else:
        why = f"untuned: no round up to {round_name} has values for this cell"
    return Choice("tuned_round", NONE, why)


def _known(stated: StatedRound, rounds: Rounds) -> str:
    if stated.name not in rounds.names:
        message, hint = f"there are no rules of a round {stated.name!r}", nearest(stated.name, rounds.names[::-1])
        raise ConfigError([Problem("round", message, *stated.place, hint)])
    return stated.name


def _option(identities: Identities, group: str, name: str) -> tuple[str, str | None]:
    """The option that a name means, and the accuracy target that it fixes."""
    if group not in _NAMED:
        return canonical_option(group, name), None
    names = identities.aliases(group)
    if name.lower() in names:
        known = names[name.lower()]
        with_target = _WITH_TARGET.fullmatch(name) if group == "benchmark" and name != known else None
        return known, canonical_option("accuracy_target", with_target["target"]) if with_target else None
    with_target = _WITH_TARGET.fullmatch(name)
    if group == "benchmark" and with_target is not None and with_target["benchmark"].lower() in names:
        return names[with_target["benchmark"].lower()], canonical_option("accuracy_target", with_target["target"])
    return name, None

"""Request: one command line, parsed. Hydra's overrides stay text; flags are ours, and an unknown one is an error."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import attrs

from mlperf_registry.cli.verbs import VERBS, Flag, Verb
from mlperf_registry.schema.nearest import nearest
from mlperf_registry.schema.problem import ConfigError, Problem


@attrs.frozen(kw_only=True)
class Request:
    """What the user asked for."""

    verb: str
    words: tuple[str, ...] = ()
    """Everything that is no flag: overrides, paths, names."""
    json: bool = False
    build_dir: Path = Path("build")
    systems: tuple[Path, ...] = ()
    multirun: bool = False
    cfg: str | None = None
    """``values`` or ``origins`` when the configuration is to be printed."""
    dry_run: bool = False
    everything: bool = False
    published: Path | None = None
    """File of published configurations to compare with."""
    help: bool = False


def parse(argv: Sequence[str]) -> Request:
    """The request of a command line, less the program's name.

    Raises:
        ConfigError: for an unknown verb or flag, a flag without its value, or a folder that is none.
    """
    verb = _verb(argv[0])
    known = {name: flag for flag in verb.flags for name in (flag.name, flag.short) if name is not None}
    given: dict[str, Any] = {}
    words: list[str] = []
    problems: list[Problem] = []
    rest = list(argv[1:])
    while rest:
        word = rest.pop(0)
        if word == "--":
            words += rest
            break
        if not word.startswith("-") or word == "-":
            words.append(word)
            continue
        name, assigned, value = word.partition("=")
        flag = known.get(name)
        if flag is None:
            problems.append(_unknown(verb, name, known))
        elif flag.metavar is None and assigned:
            problems.append(Problem(name, f"takes no value, got {value!r}"))
        elif flag.metavar is None:
            given[flag.field] = True
        elif not assigned and flag.default is not None:
            given[flag.field] = flag.default
        elif not assigned and not rest:
            problems.append(Problem(name, f"needs a value: {flag.shown}"))
        else:
            problems += _take(flag, value if assigned else rest.pop(0), given)
    if given.get("help"):
        return Request(verb=verb.name, help=True)
    if problems:
        raise ConfigError(problems)
    return Request(verb=verb.name, words=tuple(words), **given)


def _verb(name: str) -> Verb:
    verb = VERBS.get(name)
    if verb is None and name.startswith("-"):
        raise ConfigError([Problem(name, "a verb comes first, and its flags follow it", hint=f"mlperf VERB {name}")])
    if verb is None:
        raise ConfigError([Problem(name, "there is no such verb", hint=nearest(name, VERBS))])
    return verb


def _unknown(verb: Verb, name: str, known: dict[str, Flag]) -> Problem:
    owners = [other.name for other in VERBS.values() if any(name in (flag.name, flag.short) for flag in other.flags)]
    hint = f"it belongs to mlperf {', '.join(owners)}" if owners else nearest(name, known)
    return Problem(name, f"mlperf {verb.name} has no such flag", hint=hint)


def _take(flag: Flag, value: str, given: dict[str, Any]) -> list[Problem]:
    if flag.field == "cfg":
        forms = ("values", "origins")
        if value not in forms:
            return [Problem(flag.name, f"shows values or origins, not {value!r}", hint=nearest(value, forms))]
        given["cfg"] = value
        return []
    if flag.field == "published":
        try:
            is_file = Path(value).is_file()
        except (OSError, ValueError):
            is_file = False
        given["published"] = Path(value)
        return [] if is_file else [Problem(flag.name, f"there is no file {value}", hint="name a file of JSON lines")]
    folder = Path(value)
    if not value:
        return [Problem(flag.name, "needs the name of a folder")]
    try:
        exists, is_folder = folder.exists(), folder.is_dir()
    except (OSError, ValueError) as error:
        return [Problem(flag.name, f"this can be no folder: {error}")]
    if flag.field == "systems" and not is_folder:
        return [Problem(flag.name, f"{value} is no folder")]
    if exists and not is_folder:
        return [Problem(flag.name, f"{value} is a file, and a folder is needed")]
    given[flag.field] = (*given.get(flag.field, ()), folder) if flag.repeats else folder
    return []

"""Request: one command line, parsed. Hydra's overrides stay text; flags are ours, and an unknown one is an error."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import attrs

from mlperf_registry.cli.verbs import VERBS, Flag, Verb, every_verb
from mlperf_registry.schema.nearest import nearest
from mlperf_registry.schema.problem import ConfigError, Problem

_CURES = {
    "published": "name a file of JSON lines",
    "machine": "`mlperf systems detect --json` prints one",
    "accuracy_log": "LoadGen writes it in the folder of an accuracy run",
    "dataset_file": "the one that the log's answers are to",
}
"""Fields that name a file which must be there, and what to name."""


@attrs.frozen(kw_only=True)
class Request:
    """What the user asked for."""

    verb: Verb
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
    machine: Path | None = None
    """File of a machine to take instead of this one."""
    record: Path | None = None
    """Where to keep a recording of this machine."""
    kin: str | None = None
    """System whose tuned values a new one takes over."""
    force: bool = False
    inspect: bool = False
    """Whether the engine is to be shown layer by layer."""
    accuracy_log: Path | None = None
    """LoadGen's mlperf_log_accuracy.json to score."""
    dataset_file: Path | None = None
    """The data set that its answers are to."""
    model_name: str | None = None
    """Whose tokeniser decodes them: a folder, or a name in Hugging Face's cache."""
    dtype: str | None = None
    """Number format of its token ids; absent: seen from the log."""
    benchmark: str | None = None
    """Whose answers they are."""
    help: bool = False


def parse(argv: Sequence[str]) -> Request:
    """The request of a command line, less the program's name.

    Raises:
        ConfigError: for an unknown verb or flag, a flag without its value, or a folder that is none.
    """
    verb, rest = _verb(argv)
    known = {name: flag for flag in verb.flags for name in (flag.name, flag.short) if name is not None}
    given: dict[str, Any] = {}
    words: list[str] = []
    problems: list[Problem] = []
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
        return Request(verb=verb, help=True)
    if problems:
        raise ConfigError(problems)
    return Request(verb=verb, words=tuple(words), **given)


def _verb(argv: Sequence[str]) -> tuple[Verb, list[str]]:
    """The verb, and the words that follow it."""
    name, *rest = argv
    verb = VERBS.get(name)
    if verb is None and name.startswith("-"):
        raise ConfigError([Problem(name, "a verb comes first, and its flags follow it", hint=f"mlperf VERB {name}")])
    if verb is None:
        raise ConfigError([Problem(name, "there is no such verb", hint=nearest(name, VERBS))])
    if not verb.parts or (rest and rest[0] in ("-h", "--help")):
        return verb, rest
    parts = {part.word: part for part in verb.parts}
    word = next(iter(rest), "")
    if word not in parts:
        message = f"mlperf {name} cannot {word}" if word else "say what to do"
        raise ConfigError([Problem(f"{name} {word}".strip(), message, hint=nearest(word, parts))])
    return parts[word], rest[1:]


def _unknown(verb: Verb, name: str, known: dict[str, Flag]) -> Problem:
    owners = [other.name for other in every_verb() if any(name in (flag.name, flag.short) for flag in other.flags)]
    hint = f"it belongs to mlperf {', '.join(owners)}" if owners else _override_for(name) or nearest(name, known)
    return Problem(name, f"mlperf {verb.name} has no such flag", hint=hint)


def _override_for(flag: str) -> str | None:
    """The override that does what a flag of NVIDIA's commands did, if it is one."""
    from mlperf_registry.compose.fields import workload_fields
    from mlperf_registry.schema.cell import AXES
    from mlperf_registry.schema.not_fields import NOT_FIELDS, written_instead

    name = flag.lstrip("-").replace("-", "_")
    axis = next((axis for axis in AXES if name in (axis, f"{axis}s")), None)
    if axis is not None:
        return f"write {axis}=OPTION; several at once: -m {axis}=ONE,OTHER"
    if name in NOT_FIELDS:
        return NOT_FIELDS[name]
    instead = written_instead(name, workload_fields())
    return f"write {' or '.join(f'{path}=VALUE' for path in instead)}" if instead else None


def _take(flag: Flag, value: str, given: dict[str, Any]) -> list[Problem]:
    if flag.field == "cfg":
        forms = ("values", "origins")
        if value not in forms:
            return [Problem(flag.name, f"shows values or origins, not {value!r}", hint=nearest(value, forms))]
        given["cfg"] = value
        return []
    if flag.field in _CURES:
        try:
            is_file, is_folder = Path(value).is_file(), Path(value).is_dir()
        except (OSError, ValueError):
            is_file = is_folder = False
        given[flag.field] = Path(value)
        message = f"{value} is a folder, and a file is asked for" if is_folder else f"there is no file {value}"
        return [] if is_file else [Problem(flag.name, message, hint=_CURES[flag.field])]
    if flag.field in ("kin", "record", "model_name", "dtype", "benchmark"):
        given[flag.field] = Path(value) if flag.field == "record" else value
        return [] if value else [Problem(flag.name, f"needs a value: {flag.shown}")]
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

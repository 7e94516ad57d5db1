"""Mistakes in overrides, each as a problem with its cure: unknown groups, options and keys, sweeps, what Hydra refuses.

Hydra stops at the first, never names what was meant, and advises a ``+`` that would only hide the mistake.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from mlperf_registry.compose.ancestry import wrong_defaults
from mlperf_registry.compose.composed import stack
from mlperf_registry.compose.fields import is_open
from mlperf_registry.compose.layers import Layers
from mlperf_registry.compose.library import GENERATED_GROUPS, Library
from mlperf_registry.compose.loaded import load
from mlperf_registry.compose.override import Override, parse_override
from mlperf_registry.compose.owned import OWNED
from mlperf_registry.compose.tree import Tree, holds, plain_paths, walk
from mlperf_registry.schema.nearest import meant, nearest
from mlperf_registry.schema.not_fields import NOT_FIELDS, written_instead
from mlperf_registry.schema.problem import ConfigError, Problem

_FEW = 3
_SHOWN = 200
"""Characters of Hydra's message that are shown: some print a whole section."""


def check_overrides(library: Library, overrides: Sequence[str]) -> list[Override]:
    """The overrides, parsed, with each choice of an option known to exist.

    Raises:
        ConfigError: when one is malformed, a sweep, or names an unknown option; with every unknown key as well.
    """
    parsed: list[Override] = []
    problems: list[Problem] = []
    for text in overrides:
        try:
            override = parse_override(text)
        except ConfigError as error:
            problems.extend(error.problems)
            continue
        refused = _refusal(library, override)
        if refused is None:
            parsed.append(override)
        else:
            problems.append(refused)
    if problems:
        try:
            problems.extend(_unknown_keys(library, parsed))
        except ConfigError as error:
            problems.extend(error.problems)
        raise ConfigError(problems)
    return parsed


@contextmanager
def answered(library: Library, overrides: Sequence[Override]) -> Iterator[None]:
    """Inside, Hydra's and OmegaConf's exceptions over ``overrides`` become a ConfigError with every mistake found."""
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    try:
        yield
    except (HydraException, OmegaConfBaseException, ValueError, TypeError, AssertionError, RecursionError) as error:
        raise ConfigError(_diagnosed(library, overrides, error)) from error


def _refusal(library: Library, override: Override) -> Problem | None:
    origin = f"override:{override.text}"
    if override.sweep:
        return Problem(override.key, "several values are a sweep", origin, hint="add -m, or write one value")
    if override.key in GENERATED_GROUPS:
        return Problem(override.key, "follows from the benchmark and the backend", origin, hint="leave it out")
    # Said here, since one of these names, power, is a section: Hydra would set it, and only its fields be told.
    if override.key in NOT_FIELDS and library.is_value(override) and not isinstance(override.value, dict):
        return Problem(override.key, "there is no such field", origin, hint=NOT_FIELDS[override.key])
    if not library.is_choice(override) or override.kind == "delete":
        return None
    options = library.options(override.key)
    if override.value is None:
        return Problem(override.key, "takes an option", origin, hint="to choose none, leave it out")
    if isinstance(override.value, list):
        return Problem(override.key, "takes one option", origin, hint=nearest("", options))
    if override.written in options or library.document(override.key, override.written) is not None:
        return None
    return library.unknown(override.key, override.written, origin)


def _diagnosed(library: Library, overrides: Sequence[Override], error: BaseException) -> list[Problem]:
    # Without values, what fails is an option or a file; what does not tells which keys there are.
    problems = (
        list(_wrong_files(library, overrides))
        or _unknown_keys(library, overrides)
        or list(_refused_values(library, overrides))
    )
    if problems:
        return problems
    for override in overrides:
        if library.is_choice(override) and override.kind == "delete":
            hint = nearest("", library.options(override.key))
            return [Problem(override.key, "cannot be left out", f"override:{override.text}", hint=hint)]
    full_key = getattr(error, "full_key", None) or getattr(error.__cause__, "full_key", None)
    return [Problem(full_key or library.config.origin, _sentence(error))]


def _wrong_files(library: Library, overrides: Sequence[Override]) -> Iterator[Problem]:
    """What is wrong in the files of the chosen options, whatever values the overrides set."""
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    options = [override for override in overrides if not library.is_value(override)]
    found = False
    for override in options:
        if library.is_choice(override) and override.kind != "delete":
            for problem in wrong_defaults(library, override.key, override.written):
                found = True
                yield problem
    try:
        loaded = load(library, options)
    except Exception:
        return  # if no file was wrong, the options do not go together: told from the exception itself
    for path, leaf in walk(stack(loaded.layers(Layers(library)))):
        if not found and leaf.resolver is not None:
            try:
                node = OmegaConf.select(loaded.config, ".".join(path))
                if OmegaConf.is_config(node):
                    OmegaConf.to_container(node, resolve=True)
            except OmegaConfBaseException as error:
                yield Problem(".".join(path), f"does not resolve: {_sentence(error)}", leaf.origin, leaf.line)


def _unknown_keys(library: Library, overrides: Sequence[Override]) -> list[Problem]:
    """The problems of values whose keys are nowhere in the cell that the options make."""
    values = [override for override in overrides if library.is_value(override)]
    if not values:
        return []
    options = [override for override in overrides if not library.is_value(override)]
    with answered(library, options):
        loaded = load(library, options)
    known = stack(loaded.layers(Layers(library)))
    return [problem for override in values for problem in _unknown_keys_of(override, known)]


def _unknown_keys_of(override: Override, known: Tree) -> Iterator[Problem]:
    inside: list[tuple[str, ...]] = [()]
    if isinstance(override.value, dict) and override.value:
        inside = [path for path, _ in plain_paths(override.value)]
    for rest in inside:
        path = (*override.path, *rest)
        if not holds(known, path) and not is_open(path):
            name = ".".join(path)
            leaves = [".".join(found) for found, _ in walk(known)]
            hint = nearest(name, leaves) if len(path) > 1 else _cure_of_bare(override, known)
            yield Problem(name, "there is no such key", f"override:{override.text}", hint=hint)


def _cure_of_bare(override: Override, known: Tree) -> str:
    """What to write instead of a key without a section, which is how NVIDIA's configurations name a field."""
    name = override.key
    settable = [path for path, _ in walk(known) if path not in OWNED.values()]
    paths = {".".join(path[:end]): None for path in settable for end in range(2, len(path) + 1)}
    instead = written_instead(name, paths)
    if 0 < len(instead) <= _FEW:  # more have a part such as name, of which NVIDIA's have none
        return f"write {' or '.join(f'{path}={override.written}' for path in instead)}"
    lasts = {path.rpartition(".")[2] for path in paths}
    return meant(name, known) or meant(name, paths) or meant(name, lasts) or nearest(name, known)


def _refused_values(library: Library, overrides: Sequence[Override]) -> Iterator[Problem]:
    """The problems of values that Hydra refuses, each tried on its own."""
    options = [override for override in overrides if not library.is_value(override)]
    for override in overrides:
        if library.is_value(override):
            try:
                load(library, [*options, override]).resolved()
            except Exception as error:
                yield Problem(override.key, f"cannot be set so: {_sentence(error)}", f"override:{override.text}")


def _sentence(error: BaseException) -> str:
    """The first line of the innermost message, which holds the fact; the advice follows below it."""
    while error.__cause__ is not None:
        error = error.__cause__
    lines = str(error).strip().splitlines()
    return lines[0][:_SHOWN].rstrip(".") if lines else type(error).__name__

"""What a system of one's own may be called: its name is a file, a folder of results and a word of a command line."""

from __future__ import annotations

import re

from mlperf_registry.schema.problem import Problem

_LONGEST = 100
_FORM = re.compile(r"[A-Za-z][A-Za-z0-9._-]*")
_RESERVED = frozenset(
    ["auto", "none", "null", "true", "false", "yes", "no", "on", "off", "nan", "inf", "tuned", "experiment"]
)
"""Words that mean something else on the command line, in YAML, or as a folder of systems."""


def name_problem(name: str, where: str) -> Problem | None:
    """What keeps ``name`` from being a system's; None where nothing does.

    Args:
        name: as given.
        where: the argument or variable that gave it.
    """
    if name.lower() in _RESERVED:
        return Problem(where, f"{name!r} means something else and can name no system", hint="choose another name")
    if not _FORM.fullmatch(name) or ".." in name or len(name) > _LONGEST:
        hint = f"letters, digits, '.', '_' and '-', a letter first, no '..', {_LONGEST} at most"
        return Problem(where, f"{name!r} cannot name a system, whose results lie in a folder of that name", hint=hint)
    return None

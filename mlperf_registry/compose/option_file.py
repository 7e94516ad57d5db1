"""check_option_file(): what an option's file may not hold, though it is good YAML: choices, and values in no place.

Hydra would make the choices after ours were made from what was chosen before, and misplace the values in silence.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

from mlperf_registry.compose.document import Document
from mlperf_registry.compose.fields import workload_fields
from mlperf_registry.schema.problem import ConfigError, Problem

_OVERRIDE = "override"


def check_option_file(group: str, document: Document) -> None:
    """Check the file of one option of ``group``.

    Raises:
        ConfigError: when it overrides a choice, or has sections of the schema but no header to place them.
    """
    problems = [*_choices(document), *_misplaced(group, document)]
    if problems:
        raise ConfigError(problems)


def _choices(document: Document) -> Iterator[Problem]:
    for item in document.defaults if isinstance(document.defaults, list) else ():
        for key, option in item.items() if isinstance(item, dict) else ():
            words = str(key).split()
            chosen = words[-1].lstrip("/") if words else ""
            if _OVERRIDE in words[:-1] and not chosen.startswith("hydra/"):
                line = document.lines.get(("defaults",))
                message = f"a file cannot choose {chosen}: what follows from it is settled before files are merged"
                hint = f"choose it on the command line: {chosen}={option}"
                yield Problem("defaults", message, document.origin, line, hint)


def _misplaced(group: str, document: Document) -> Iterator[Problem]:
    """Sections below their own group: what a file without a header says of the whole tree."""
    if document.package is not None:
        return
    for key in document.tree:
        if key in _places() and f"{group}.{key}" not in _places():
            message = f"there is no such field: without a header, all that the file says lies in {group}"
            hint = "write '# @package _global_' as the first line"
            yield Problem(f"{group}.{key}", message, document.origin, document.lines.get((key,)), hint)


@cache
def _places() -> frozenset[str]:
    """Every field and section of the schema, dotted."""
    paths = [field.path for field in workload_fields().values()]
    return frozenset(".".join(path[:end]) for path in paths for end in range(1, len(path) + 1))

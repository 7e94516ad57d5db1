"""Ancestry: the options that an option's file builds on through its defaults list, and what is wrong with that list.

Hydra follows the list itself; of what it refuses there, it names neither the file nor the line.
"""

from __future__ import annotations

from collections.abc import Iterator

from mlperf_registry.compose.defaults_list import SELF
from mlperf_registry.compose.document import Document
from mlperf_registry.compose.documents import Documents
from mlperf_registry.schema.problem import Problem

_Address = tuple[str, str]
"""Group and option."""


def ancestors(documents: Documents, group: str, option: str) -> Iterator[Document]:
    """The option's own document and those that it builds on, each once; what is not there is left out.

    Raises:
        ConfigError: when a file is no YAML mapping.
    """
    seen: set[_Address] = set()
    ahead = [(group, option)]
    while ahead:
        address = ahead.pop()
        document = None if address in seen else documents.document(*address)
        seen.add(address)
        if document is not None:
            yield document
            items = document.defaults if isinstance(document.defaults, list) else []
            ahead.extend(found for item in items if (found := _address(address[0], item)) is not None)


def wrong_defaults(
    documents: Documents, group: str, option: str, above: tuple[_Address, ...] = ()
) -> Iterator[Problem]:
    """What is wrong with the defaults lists of an option and of all that it builds on."""
    document = documents.document(group, option)
    if document is None or document.defaults is None:
        return
    origin, line = document.origin, document.lines.get(("defaults",))
    if not isinstance(document.defaults, list):
        message, hint = f"{document.defaults!r} is no list of options", f"write defaults: [<a {group}>, {SELF}]"
        yield Problem("defaults", message, origin, line, hint)
        return
    lineage = (*above, (group, option))
    for item in document.defaults:
        address = _address(group, item)
        if item == SELF or "${" in str(item) or "optional " in str(item):
            continue
        if address is None:
            yield Problem("defaults", f"{item!r} names no option", origin, line, f"write a {group}, or {SELF}")
        elif address in lineage:
            yield Problem("defaults", f"{option} builds on itself through {item}", origin, line, "remove it")
        elif documents.document(*address) is None:
            unknown = documents.unknown(*address, origin)
            yield Problem("defaults", unknown.message, origin, line, unknown.hint)
        else:
            yield from wrong_defaults(documents, *address, lineage)


def _address(group: str, item: object) -> _Address | None:
    """Where an item of a defaults list in a file of ``group`` leads; None where it is no other option."""
    if isinstance(item, dict) and len(item) == 1:
        ((key, option),) = item.items()
        name = f"{str(key).split()[-1].partition('@')[0]}/{option}"
    elif isinstance(item, str) and item != SELF:
        name = item.split()[-1].partition("@")[0]
    else:
        return None
    full = name[1:] if name.startswith("/") else f"{group}/{name}"
    found, _, option = full.partition("/")
    return (found, option) if option else ("", found)

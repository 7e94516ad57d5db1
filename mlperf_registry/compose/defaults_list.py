"""The defaults list of the primary config, read once: which groups there are, in which order, with which options.

Choices need its options, the matrix its order; Hydra reads the list for itself.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache

import attrs

from mlperf_registry.compose.document import Document
from mlperf_registry.compose.tree import OutsideDialect

_CHOICE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
SELF = "_self_"


@attrs.frozen
class Entry:
    """One line of the list."""

    group: str
    """Empty for a config that belongs to no group."""
    option: str | None
    """May hold ``${group}``."""
    optional: bool = False

    def filled(self, option: str, choices: Mapping[str, str | None]) -> str:
        """The option chosen for this group, with other groups' choices filled in.

        Raises:
            OutsideDialect: when a reference is to no choice, or to one that refers on.
        """
        texts, groups = _pieces(option)
        filled = texts[0]
        for group, text in zip(groups, texts[1:], strict=True):
            filled += _plain(choices, group) + text
        if "${" in filled:
            raise OutsideDialect(f"{self.group}: {option}")
        return filled


def read_defaults_list(config: Document) -> tuple[Entry, ...]:
    """The entries of a primary config, those of Hydra itself left out.

    Raises:
        OutsideDialect: for packages, lists of options, a list without ``_self_``, and what else only Hydra knows.
    """
    if not isinstance(config.defaults, list):
        raise OutsideDialect(f"{config.origin} has no defaults list")
    entries = [entry for entry in map(_entry, config.defaults) if entry is not None]
    names = [entry.group or entry.option for entry in entries]
    if len(set(names)) != len(names) or SELF not in names:
        raise OutsideDialect(f"{config.origin}: each entry once, and {SELF} among them")
    return tuple(entries)


def _entry(item: object) -> Entry | None:
    if isinstance(item, str):
        if " " in item or "@" in item or "/" in item or "$" in item:
            raise OutsideDialect(f"defaults: {item}")
        return Entry("", item)
    if not isinstance(item, dict) or len(item) != 1:
        raise OutsideDialect(f"defaults: {item!r}")
    ((key, option),) = item.items()
    words = str(key).split()
    if words[-1].startswith("hydra/"):
        return None
    optional = words[0] == "optional"
    group = words[-1]
    if (
        words[:-1] not in ([], ["optional"])
        or "@" in group
        or "/" in group
        or not (option is None or isinstance(option, str))
    ):
        raise OutsideDialect(f"defaults: {item!r}")
    return Entry(group, option, optional)


@lru_cache(maxsize=256)
def _pieces(option: str) -> tuple[list[str], list[str]]:
    """The texts of an option, and the groups whose choices stand between them."""
    pieces = _CHOICE.split(option)
    return pieces[::2], pieces[1::2]


def _plain(choices: Mapping[str, str | None], group: str) -> str:
    choice = choices.get(group)
    if choice is None or "${" in choice:
        raise OutsideDialect(f"${{{group}}} is not the choice of a group")
    return choice

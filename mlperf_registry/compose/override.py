"""Override: one word of a command line, ``key=value``, read as Hydra's grammar reads it.

Plain values, and lists of them, are read here: Hydra's parser takes a millisecond for each, and 0.2 s to import.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any, Literal

import attrs

from mlperf_registry.schema.problem import ConfigError, Problem

Kind = Literal["change", "add", "delete"]

_SCALAR = re.compile(
    r"(?P<text>(?:\d+[A-DF-Za-df-z]|/?[A-Za-z_])\w*(?:[./:-]\w+)*)|-?(?:0|[1-9]\d*)(?P<fraction>\.\d+)?", re.ASCII
)
_PLAIN = re.compile(r"(?P<add>\+{0,2})(?P<key>[A-Za-z_][\w.]*)=(?P<list>\[)?(?P<value>[^\[\]]*)(?(list)\])", re.ASCII)
_CONSTANTS: dict[str, Any] = {"true": True, "false": False, "null": None}
_SPECIAL = {"nan", "inf"}


@attrs.frozen
class Override:
    """What an override asks for."""

    text: str
    """As written."""
    kind: Kind
    key: str
    """Group, or dotted path."""
    value: Any
    """Parsed; for a sweep, None."""
    written: str
    """The value's text."""
    sweep: bool = False

    @property
    def path(self) -> tuple[str, ...]:
        """The key as a path."""
        return tuple(self.key.split("."))

    @property
    def for_hydra(self) -> bool:
        """Whether it configures Hydra itself, which changes no value of ours."""
        return self.key == "hydra" or self.key.startswith(("hydra.", "hydra/"))


@lru_cache(maxsize=65_536)
def parse_override(text: str) -> Override:
    """The override that ``text`` is.

    Raises:
        ConfigError: when it is none, or aims at a package.
    """
    match = _PLAIN.fullmatch(text)
    if match is None:
        return _parsed_by_hydra(text)
    try:
        value = list(map(_scalar, match["value"].split(","))) if match["list"] else _scalar(match["value"])
    except ValueError:
        return _parsed_by_hydra(text)
    return Override(text, "add" if match["add"] else "change", match["key"], value, text.partition("=")[2])


def _scalar(text: str) -> Any:
    """A plain value.

    Raises:
        ValueError: for any other.
    """
    match = _SCALAR.fullmatch(text)
    if match is None or text.lower() in _SPECIAL:
        raise ValueError(text)
    if text.lower() in _CONSTANTS:
        return _CONSTANTS[text.lower()]
    if match["text"]:
        return text
    return float(text) if match["fraction"] else int(text)


def _parsed_by_hydra(text: str) -> Override:
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    try:
        parsed = OverridesParser.create().parse_override(text)
        sweep = parsed.is_sweep_override()
        value = None if sweep else parsed.value()
    except (HydraException, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise ConfigError(
            [Problem(text, f"this is no override: {reason}", f"override:{text}", hint="write key=value")]
        ) from error
    if not parsed.key_or_group:
        raise ConfigError(
            [Problem(text, "this is no override: it has no key", f"override:{text}", hint="write key=value")]
        )
    if parsed.package is not None:
        raise ConfigError(
            [
                Problem(
                    text,
                    "an option cannot be given another place in the tree",
                    f"override:{text}",
                    hint=f"write {parsed.key_or_group}=...",
                )
            ]
        )
    kind: Kind = "delete" if parsed.is_delete() else "add" if parsed.is_add() or parsed.is_force_add() else "change"
    written = text.partition("=")[2]
    if isinstance(value, str):
        written = value
    return Override(text, kind, parsed.key_or_group, value, written, sweep)

"""Override: one word of a command line, ``key=value``, read as Hydra's grammar reads it.

Plain values are read here, since Hydra's parser takes a millisecond for each; all else goes to that parser.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any, Literal

import attrs

from mlperf_registry.schema.problem import ConfigError, Problem

Kind = Literal["change", "add", "delete"]

_PLAIN = re.compile(
    r"(?P<add>\+{0,2})(?P<key>[A-Za-z_][\w.]*)="
    r"(?P<value>(?P<text>(?:\d+[A-DF-Za-df-z]|[A-Za-z_])\w*(?:[.-]\w+)*)|-?(?:0|[1-9]\d*)(?P<fraction>\.\d+)?)",
    re.ASCII,
)
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
    if match is not None and match["value"].lower() not in _SPECIAL:
        return Override(text, "add" if match["add"] else "change", match["key"], _scalar(match), match["value"])
    return _parsed_by_hydra(text)


def _scalar(match: re.Match[str]) -> Any:
    value = match["value"]
    if value.lower() in _CONSTANTS:
        return _CONSTANTS[value.lower()]
    if match["text"]:
        return value
    return float(value) if match["fraction"] else int(value)


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

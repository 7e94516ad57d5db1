"""The word auto in overrides: whether they leave the system to the machine, and what they are once it is known.

Apart from what looks at the machine, since most commands name a system.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

AUTO = "auto"

_AUTO = re.compile(r"(?<=[=,(])auto(?=[,)]|$)")
_SYSTEM = re.compile(r"[+~]*system(?=[=@]|$)")


def asks_for_auto(words: Sequence[str]) -> bool:
    """Whether overrides leave the system to the machine that they are for."""
    named = [word for word in words if _SYSTEM.match(word)]
    return not named or any(map(_AUTO.search, named))


def with_system(words: Sequence[str], option: str) -> tuple[str, ...]:
    """Overrides in which ``option`` stands for auto, first of all where none names a system."""
    named = tuple(_AUTO.sub(option, word) if _SYSTEM.match(word) else word for word in words)
    return named if any(map(_SYSTEM.match, words)) else (f"system={option}", *named)

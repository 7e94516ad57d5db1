"""nearest(): the hint of every "unknown name" error: what the user probably meant, else what there is.

One wording for groups, options, keys and variants, so that no error ends without a cure.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

_SHOWN = 12
_CLOSE = 8
_ALIKE = 0.7
"""Below this likeness two names share letters and no meaning: version is not division."""
_PATH = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)+")
"""A dotted path, which the name of a round (v6.1) is not."""


def nearest(name: str, known: Iterable[str]) -> str:
    """A hint: the names that ``name`` is a part of, else those close to it, else the known ones."""
    names = sorted(set(known))
    return _meant(name, names) or _listed(name, names)


def meant(name: str, known: Iterable[str]) -> str | None:
    """The hint without the known names, for a message that lists them already; None where none is close."""
    return _meant(name, sorted(set(known)))


def _meant(name: str, names: list[str]) -> str | None:
    folded = {candidate.lower(): candidate for candidate in names}
    longer = sorted((found for found in folded if name and name.lower() in found), key=len)
    close = [folded[found] for found in longer or _alike(name.lower(), folded)]
    if not close and _PATH.fullmatch(name):
        # A right leaf in the wrong section: compare last parts.
        last = name.rpartition(".")[2].lower()
        close = [full for full in names if full.rpartition(".")[2].lower() == last][:3]
    if not close:
        return None
    more = f", or one of {len(close) - _CLOSE} more" if len(close) > _CLOSE else ""
    return f"did you mean {' or '.join(close[:_CLOSE])}{more}?"


def _alike(name: str, names: Iterable[str]) -> list[str]:
    from difflib import get_close_matches  # here, since most commands hold no mistake

    return get_close_matches(name, names, n=3, cutoff=_ALIKE)


def _listed(name: str, names: list[str]) -> str:
    if not names:
        return "there are none"
    shown = names
    if _PATH.fullmatch(name):
        section = f"{name.rpartition('.')[0]}."
        shown = [full for full in names if full.startswith(section)] or sorted(
            {full.partition(".")[0] for full in names}
        )
    more = f", and {len(shown) - _SHOWN} more" if len(shown) > _SHOWN else ""
    return f"known: {', '.join(shown[:_SHOWN])}{more}"

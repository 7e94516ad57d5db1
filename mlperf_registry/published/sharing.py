"""Finds what the systems of a round share: values said once for a benchmark's scenario instead of in every cell.

A value is shared where at least half of the systems agree and at most a tenth lack the field: fewer lines alone would
fill the cells of the others with nulls, and make one machine's setting look like everyone's.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import attrs

from mlperf_registry.published.split import ABSENT, PLAIN, Names, Split, Token, applied, least_split, written_order

AGREEING = 0.5
"""Least share of the systems that have a shared value themselves."""
LACKING = 0.1
"""Largest share of the systems that lack a shared field and have to unset it."""


@attrs.frozen
class Case:
    """One field of one cell."""

    wanted: Mapping[Names, Token]
    """Variant to value; ``null`` where the variant has none."""
    base: Mapping[Names, Token]
    """Variant to what the layers below tuned values give."""

    def over(self, shared: Split) -> Split:
        """What the cell has to state itself."""
        return least_split(self.wanted, {names: applied(shared, names, low) for names, low in self.base.items()})


def shared_split(cases: Sequence[Case]) -> Split:
    """What to share of one field among the cells of a benchmark's scenario, so that least is stated in all."""
    shared: Split = {}
    least = _stated(cases, shared)
    keys = sorted({PLAIN, *(names for case in cases for names in case.wanted)}, key=written_order)
    for key in keys:
        for token in _candidates(cases, key):
            tried = {**shared, key: token}
            stated = _stated(cases, tried)
            if stated < least:
                shared, least = tried, stated
    return shared


def _stated(cases: Sequence[Case], shared: Split) -> int:
    return len(shared) + sum(len(case.over(shared)) for case in cases)


def _candidates(cases: Sequence[Case], key: Names) -> Iterator[Token]:
    """The values that the rule allows for ``key``, each system judged by its plainest variant under it."""
    judged = [
        case.wanted[min((names for names in case.wanted if key <= names), key=written_order)]
        for case in cases
        if any(key <= names for names in case.wanted)
    ]
    for token in sorted(set(judged)):
        lacking = 0 if token == ABSENT else judged.count(ABSENT)
        if judged.count(token) >= AGREEING * len(judged) and lacking <= LACKING * len(judged):
            yield token

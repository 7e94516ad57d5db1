"""Splits the values that one field has in the variants of a cell into a plain value and deltas, stating the least.

Which delta beats which is what a tuned file says: fewer names first, and among as many names, in the order written.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from itertools import combinations

Names = frozenset[str]
"""The options that distinguish a variant, or that a delta asks for; none for the plain one."""
Token = str
"""A value as JSON text, so that 1, 1.0 and true are three values; ``null`` for none."""
Split = dict[Names, Token]
"""What is stated: the plain value under no names, deltas under theirs."""

PLAIN: Names = frozenset()
ABSENT: Token = "null"

_ORDER = ("k_95", "k_99_9", "triton", "triton_unified", "triton_cpu", "hetero_mig", "maxq")
"""In a variant's name: accuracy target, harness, power setting."""


def written_order(names: Names) -> tuple[int, tuple[tuple[int, str], ...]]:
    """Sorts deltas as a file writes them, and names inside a variant; a name not known here comes last."""
    return len(names), tuple(sorted(_rank(name) for name in names))


def spelled(names: Names) -> str:
    """As ``tuned_for`` and ``when`` spell it: ``plain``, ``maxq``, ``k_99_9+triton``."""
    return "+".join(name for _, name in sorted(_rank(name) for name in names)) or "plain"


def applied(split: Split, names: Names, below: Token = ABSENT) -> Token:
    """The value of a variant: the last delta that holds for it, the plain value, or what lies below."""
    for key in sorted(split, key=written_order):
        if key <= names:
            below = split[key]
    return below


def least_split(wanted: Mapping[Names, Token], below: Mapping[Names, Token]) -> Split:
    """The split that gives every variant its wanted value over what lies below, with fewest values, then fewest names.

    Args:
        wanted: variant to value; ``null`` where the variant has none.
        below: variant to the value that it has if nothing is stated.
    """
    variants = sorted(wanted, key=written_order)
    return dict(_least(tuple((names, wanted[names], below[names]) for names in variants)))


@lru_cache(maxsize=65_536)
def _least(cases: tuple[tuple[Names, Token, Token], ...]) -> tuple[tuple[Names, Token], ...]:
    if all(want == low for _, want, low in cases):
        return ()
    wanted = {names: want for names, want, _ in cases}
    below = {names: low for names, _, low in cases}
    search = _Search(wanted)
    search.run(_common(wanted), below)
    # A delta that asks for fewer names applies sooner, and leaves to later ones what it would have to repeat for them.
    search.run_for_fewer_values(_subsets(wanted), below)
    assert search.best is not None
    return search.best


def _common(variants: Iterable[Names]) -> set[Names]:
    """What a delta asks for in the first place: the names of a variant, or all that several have in common."""
    keys = {PLAIN, *variants}
    while True:
        more = {left & right for left in keys for right in keys} - keys
        if not more:
            return keys
        keys |= more


def _subsets(variants: Iterable[Names]) -> set[Names]:
    """All that a delta may ask for and hold for a variant."""
    return {
        frozenset(some) for names in variants for size in range(len(names) + 1) for some in combinations(names, size)
    }


class _Search:
    """Depth first over the keys in the order in which they apply; a variant's own key is the last that changes it."""

    def __init__(self, wanted: Mapping[Names, Token]) -> None:
        self.wanted = wanted
        self.keys: list[Names] = []
        self.best: tuple[tuple[Names, Token], ...] | None = None
        self.cost = (len(wanted) + 1, 0)

    def run(self, keys: Iterable[Names], below: Mapping[Names, Token]) -> None:
        """Find the best split with these keys, if it is better than the best so far."""
        self.keys = sorted(keys, key=written_order)
        self._run(0, dict(below), (), (0, 0))

    def run_for_fewer_values(self, keys: Iterable[Names], below: Mapping[Names, Token]) -> None:
        """The same, where it has fewer values; fewer names alone are no reason."""
        self.cost = (self.cost[0], 0)
        self.run(keys, below)

    def _run(
        self, index: int, values: dict[Names, Token], stated: tuple[tuple[Names, Token], ...], cost: tuple[int, int]
    ) -> None:
        missing = {want for names, want in self.wanted.items() if values[names] != want}
        if (cost[0] + len(missing), cost[1]) >= self.cost:
            return
        if index == len(self.keys):
            self.best, self.cost = stated, cost
            return
        key = self.keys[index]
        settled = self.wanted.get(key, values.get(key))
        if values.get(key) == settled:
            self._run(index + 1, values, stated, cost)
        within = [names for names in values if key <= names]
        wrong = [self.wanted[names] for names in within if values[names] != self.wanted[names]]
        for token in dict.fromkeys(wrong) if key not in self.wanted else dict.fromkeys([self.wanted[key]]):
            if token in wrong:
                changed = {**values, **dict.fromkeys(within, token)}
                self._run(index + 1, changed, (*stated, (key, token)), (cost[0] + 1, cost[1] + len(key)))


def _rank(name: str) -> tuple[int, str]:
    return (_ORDER.index(name) if name in _ORDER else len(_ORDER), name)

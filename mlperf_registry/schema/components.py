"""FrozenMap, and PerComponent: one value for each engine of a benchmark, as in ``{clip1: 64, unet: 64, vae: 8}``.

Immutable, hashable mappings, since a frozen workload must not hold a dict that someone could change.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Generic, TypeVar

T = TypeVar("T")


class FrozenMap(Mapping[str, T], Generic[T]):
    """Name to value, in the order given."""

    __slots__ = ("_items",)

    def __init__(self, items: Mapping[str, T]) -> None:
        self._items = dict(items)

    def __getitem__(self, name: str) -> T:
        return self._items[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)

    def __hash__(self) -> int:
        return hash(frozenset(self._items.items()))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Mapping) and self._items == dict(other)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._items!r})"


class PerComponent(FrozenMap[T]):
    """Component name to value; in YAML, a benchmark of one component may give the value alone."""

    __slots__ = ()

    def only(self) -> T:
        """The value of a benchmark with one component.

        Raises:
            ValueError: when there is not exactly one.
        """
        (value,) = self._items.values()
        return value

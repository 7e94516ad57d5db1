"""Matrix: cells composed without Hydra, from files parsed once; a thousand times faster, and equal.

It knows a written dialect: a flat defaults list of groups, options that are plain trees at the top or under their
group, references to plain paths, overrides of known keys. Whatever is outside goes to Hydra, and is counted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mlperf_registry.compose.cell import compose_cell
from mlperf_registry.compose.composed import Choice, Composed, Layer
from mlperf_registry.compose.defaults_list import SELF, Entry, read_defaults_list
from mlperf_registry.compose.document import Document
from mlperf_registry.compose.fields import is_open
from mlperf_registry.compose.layers import Layers
from mlperf_registry.compose.library import Library
from mlperf_registry.compose.override import Override, parse_override
from mlperf_registry.compose.tree import Finisher, Leaf, OutsideDialect, Overlay, Tree, holds, overlay, plain_paths
from mlperf_registry.schema.cell import AXES
from mlperf_registry.schema.problem import ConfigError

_REMEMBERED = 20_000
_OUTERMOST = AXES[0]
"""The group that a walk over all cells changes last; layers from it on are hardly ever met again."""


class _Stacked:
    """Layers merged so far, and what follows from each layer that may come next."""

    __slots__ = ("following", "tree")

    def __init__(self, tree: Tree) -> None:
        self.tree = tree
        self.following: dict[Layer, _Stacked] = {}


class Matrix:
    """Composes many cells of one library.

    Attributes:
        handed_over: how many cells went to Hydra.
    """

    def __init__(self, library: Library) -> None:
        self.library = library
        self.handed_over = 0
        self._layers = Layers(library)
        self._chosen: dict[str, tuple[str, str] | None] = {}
        self._finisher = Finisher()
        self._overlay = Overlay()
        self._entries: tuple[Entry, ...] | None = None
        self._primary: Layer | None = None
        self._tails: dict[str | None, Mapping[str, str | None]] = {None: {}}
        self._start = _Stacked({})
        self._remembered = 0
        self._refused: dict[Leaf | Document, ConfigError] = {}

    def compose(
        self, overrides: Sequence[str] = (), chosen: Sequence[Choice] = (), *, until: str | None = None
    ) -> Composed:
        """One cell; see ``compose_cell`` for arguments and errors.

        Args:
            overrides: the user's.
            chosen: what was chosen for the user.
            until: leave out this group of the defaults list and all that come after it, so that weaker layers show.
        """
        left_out = self._from(until)
        if left_out:
            overrides = [text for text in overrides if _key(text) not in left_out]
        try:
            return self._composed(overrides, chosen, left_out)
        except OutsideDialect as outside:
            without = [f"~{group}" for group, option in left_out.items() if option is not None]
            return self._handed_over([*overrides, *without], chosen, outside.cause)

    def _handed_over(
        self, overrides: Sequence[str], chosen: Sequence[Choice], cause: Leaf | Document | None
    ) -> Composed:
        """The cell as Hydra composes it, or what it said of the cause before: all cells of a system may share that."""
        if cause in self._refused:
            raise ConfigError(self._refused[cause].problems)
        self.handed_over += 1
        try:
            return compose_cell(self.library, overrides, chosen, layers=self._layers)
        except ConfigError as error:
            if cause is not None and {problem.origin for problem in error.problems} <= {cause.origin, None}:
                self._refused[cause] = error
            raise

    def _composed(
        self, overrides: Sequence[str], chosen: Sequence[Choice], left_out: Mapping[str, str | None]
    ) -> Composed:
        entries = self._list()
        if left_out:
            entries = tuple(entry for entry in entries if entry.group not in left_out)
        choices = {entry.group: entry.option for entry in entries if entry.group}
        values: list[Layer] = []
        for choice in chosen:
            if not self._choose(choice.text, choices):
                values.append(self._value(choice.text, choice.origin))
        for text in overrides:
            if not self._choose(text, choices):
                values.append(self._value(text, f"override:{text}"))
        common, own = self._options(entries, choices)
        leaves = self._common(common)
        for layer in own:
            leaves = self._overlay(leaves, layer.tree)
        for layer in values:
            _require_known(leaves, layer)
            leaves = self._overlay(leaves, layer.tree)
        return Composed(self._finisher.plain(leaves), choices, tuple(chosen), (*common, *own, *values), leaves)

    def _list(self) -> tuple[Entry, ...]:
        if self._entries is None:
            self._entries = read_defaults_list(self.library.config)
            self._primary = self._layers.primary()
        return self._entries

    def _from(self, group: str | None) -> Mapping[str, str | None]:
        """The groups of the defaults list from ``group`` on, with their options; none for None."""
        if group not in self._tails:
            options = {entry.group: entry.option for entry in read_defaults_list(self.library.config) if entry.group}
            self._tails[group] = dict(list(options.items())[list(options).index(str(group)) :])
        return self._tails[group]

    def _choose(self, text: str, choices: dict[str, str | None]) -> bool:
        """Make the choice that an override is; False where it sets a value."""
        if text not in self._chosen:
            override = _parsed(text)
            choice = (override.key, override.written) if self.library.is_choice(override) else None
            if choice is not None and (override.kind != "change" or self._layers.option(*choice) is None):
                raise OutsideDialect(text)
            self._chosen[text] = choice
        choice = self._chosen[text]
        if choice is None:
            return False
        group, option = choice
        if group not in choices:
            raise OutsideDialect(text)
        choices[group] = option
        return True

    def _value(self, text: str, origin: str) -> Layer:
        override = _parsed(text)
        if override.for_hydra or override.sweep or override.kind == "delete":
            raise OutsideDialect(text)
        return self._layers.value(override, origin)

    def _options(self, entries: Sequence[Entry], choices: dict[str, str | None]) -> tuple[list[Layer], list[Layer]]:
        """The layers of the options: those before the outermost axis, which many cells have in common, and the rest."""
        common: list[Layer] = []
        own: list[Layer] = []
        layers = common
        for entry in entries:
            if entry.group == _OUTERMOST:
                layers = own
            if entry.option == SELF and not entry.group:
                assert self._primary is not None
                layers.append(self._primary)
                continue
            option = choices[entry.group] if entry.group else entry.option
            if option is None:
                continue
            if "${" in option:
                option = choices[entry.group] = entry.filled(option, choices)
            layer = self._layers.option(entry.group, option)
            if layer is not None:
                layers.append(layer)
            elif not entry.optional:
                raise OutsideDialect(f"{entry.group}={option}")
        return common, own

    def _common(self, layers: Sequence[Layer]) -> Tree:
        if self._remembered > _REMEMBERED:
            self._start, self._remembered = _Stacked({}), 0
        state = self._start
        for layer in layers:
            following = state.following.get(layer)
            if following is None:
                following = state.following[layer] = _Stacked(overlay(state.tree, layer.tree))
                self._remembered += 1
            state = following
        return state.tree


def _key(text: str) -> str:
    return text.lstrip("+~").partition("=")[0]


def _parsed(text: str) -> Override:
    try:
        return parse_override(text)
    except ConfigError as error:
        # Hydra's path reports this problem together with all others.
        raise OutsideDialect(text) from error


def _require_known(tree: Tree, layer: Layer) -> None:
    for path, _ in plain_paths(layer.tree):
        if not holds(tree, path) and not is_open(path):
            raise OutsideDialect(".".join(path))

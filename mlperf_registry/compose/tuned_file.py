"""TunedFile: one file of tuned values, with every variant, delta and engine library that it names checked.

A name that nothing matches would be silent otherwise: the values below it would simply never apply.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Set
from functools import cache
from itertools import product
from typing import Any

import attrs

from mlperf_registry.compose.document import Document
from mlperf_registry.compose.tree import Tree, leaves_of
from mlperf_registry.schema.nearest import nearest
from mlperf_registry.schema.problem import ConfigError, Problem

PLAIN = "plain"
"""The variant of options that no name speaks of."""
PLAIN_OPTIONS = ("k_99", "native", "maxp")
"""The option of accuracy_target, harness and power_setting that a variant's name leaves out."""


@cache
def variant_of(accuracy_target: str, harness: str, power_setting: str) -> str:
    """The name of a variant: its options joined by ``+``, less those that are plain."""
    return "+".join(name for name in (accuracy_target, harness, power_setting) if name not in PLAIN_OPTIONS) or PLAIN


@attrs.frozen
class Vocabulary:
    """The names that a tuned file may use."""

    axes: tuple[tuple[str, ...], ...]
    """Options of accuracy_target, harness and power_setting, in this order."""
    backends: tuple[str, ...]

    @property
    def variants(self) -> Mapping[str, tuple[str, ...]]:
        """Name of each variant to its options."""
        return _variants(self.axes)

    @property
    def names(self) -> Set[str]:
        """Options that distinguish a variant."""
        return _names(self.axes)


@cache
def _variants(axes: tuple[tuple[str, ...], ...]) -> Mapping[str, tuple[str, ...]]:
    return {variant_of(*options): options for options in product(*axes)}


@cache
def _names(axes: tuple[tuple[str, ...], ...]) -> Set[str]:
    return frozenset(name for options in axes for name in options) - set(PLAIN_OPTIONS)


@attrs.frozen
class TunedFile:
    """For which variants and engine libraries values hold, the plain values, and the deltas, as leaves."""

    document: Document
    tuned_for: tuple[str, ...]
    """Empty in a shared file, which follows the cells that use it."""
    backends: tuple[str, ...]
    plain: Tree
    when: tuple[tuple[frozenset[str], Tree], ...]
    """Names and values, fewer names first."""

    def holds(self, variant: str, backend: str) -> bool:
        """Whether there are values for a variant and an engine library."""
        return variant in self.tuned_for and backend in self.backends

    def layers(self, options: frozenset[str]) -> Iterator[Tree]:
        """What holds for a variant with these options, weakest first."""
        yield self.plain
        for needed, values in self.when:
            if needed <= options:
                yield values


def read_tuned_file(document: Document, vocabulary: Vocabulary, *, shared: bool) -> TunedFile:
    """The checked file.

    Args:
        document: its content.
        vocabulary: the names that exist.
        shared: whether it holds what systems share, rather than one cell.

    Raises:
        ConfigError: with every unknown or idle name in it.
    """
    return _Reading(document, vocabulary, shared).file()


@attrs.define
class _Reading:
    document: Document
    vocabulary: Vocabulary
    shared: bool
    problems: list[Problem] = attrs.field(factory=list)

    def file(self) -> TunedFile:
        tuned_for, backends = ((), ()) if self.shared else (self._tuned_for(), self._backends())
        deltas = list(self._deltas(tuned_for))
        if self.shared:
            for key in ("tuned_for", "backends"):
                if key in self.document.tree:
                    self._refuse((key,), "belongs into the files of cells; shared values follow them", "remove it")
        for key in ("round", "tuned_round"):
            if key in self.document.tree:
                self._refuse((key,), "is settled before tuned values are looked up", f"choose {key}=... instead")
        if self.document.defaults is not None:
            self._refuse(("defaults",), "a tuned file holds values only", "remove the defaults list")
        if self.problems:
            raise ConfigError(self.problems)
        values = {
            key: value for key, value in self.document.tree.items() if key not in ("tuned_for", "backends", "when")
        }
        deltas.sort(key=lambda delta: len(delta[0]))
        return TunedFile(self.document, tuned_for, backends, leaves_of(values, self.document), tuple(deltas))

    def _tuned_for(self) -> tuple[str, ...]:
        if "tuned_for" not in self.document.tree:
            return (PLAIN,)
        known = self.vocabulary.variants
        variants = self._listed(
            "tuned_for", f"write tuned_for: [...] with {PLAIN} or names such as maxq or k_99_9+maxq"
        )
        for variant in variants:
            if variant not in known:
                twin = next((name for name in known if set(name.split("+")) == set(variant.split("+"))), None)
                hint = nearest(variant, known) if twin is None else f"write {twin}"
                self._refuse(("tuned_for",), f"there is no variant {variant!r}", hint)
        return variants

    def _backends(self) -> tuple[str, ...]:
        cure = f"write backends: [...] with one or more of {', '.join(self.vocabulary.backends)}"
        if "backends" not in self.document.tree:
            self._refuse(("backends",), "is missing: the engine libraries that the values are for", cure)
            return ()
        backends = self._listed("backends", cure)
        for backend in backends:
            if backend not in self.vocabulary.backends:
                self._refuse(
                    ("backends",), f"there is no backend {backend!r}", nearest(backend, self.vocabulary.backends)
                )
        return backends

    def _listed(self, key: str, cure: str) -> tuple[str, ...]:
        value = self.document.tree.get(key)
        if isinstance(value, list) and value and all(isinstance(item, str) for item in value):
            return tuple(value)
        self._refuse((key,), "must be a list of names", cure)
        return ()

    def _deltas(self, tuned_for: tuple[str, ...]) -> Iterator[tuple[frozenset[str], Tree]]:
        when: Any = self.document.tree.get("when") or {}
        if not isinstance(when, dict):
            self._refuse(("when",), "must map names such as maxq or k_99_9+maxq to values")
            return
        known = self.vocabulary.names
        for key, values in when.items():
            here = ("when", str(key))
            names = frozenset(str(key).split("+"))
            for name in sorted(names - known):
                self._refuse(here, f"no axis has an option {name!r} to tell variants by", nearest(name, known))
            idle = not any(names <= set(variant.split("+")) for variant in tuned_for)
            if not self.shared and names <= known and idle:
                self._refuse(here, "applies to no variant of tuned_for", "add the variant, or remove the delta")
            if isinstance(values, dict):
                yield names, leaves_of(values, self.document, here)
            else:
                self._refuse(here, "must hold values as the file's plain part does")

    def _refuse(self, path: tuple[str, ...], message: str, hint: str | None = None) -> None:
        line = self.document.lines.get(path)
        self.problems.append(Problem(".".join(path), message, self.document.origin, line, hint))

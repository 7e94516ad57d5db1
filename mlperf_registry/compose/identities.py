"""Identities: what the options of system, benchmark and backend say about themselves, read before anything is composed.

Choices made for the user, aliases, and whether a cell has a meaning at all follow from these three sections alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any, TypeVar

import attrs

from mlperf_registry import plugins
from mlperf_registry.compose.ancestry import ancestors
from mlperf_registry.compose.cell import compose_cell
from mlperf_registry.compose.defaults_list import read_defaults_list
from mlperf_registry.compose.document import Document
from mlperf_registry.compose.library import TUNED, TUNED_ROUND, Library
from mlperf_registry.compose.tree import Tree, without_nulls
from mlperf_registry.schema.problem import ConfigError, Problem
from mlperf_registry.schema.sections import Backend, Benchmark, System
from mlperf_registry.structure import structure

T = TypeVar("T")


@attrs.frozen
class StatedRound:
    """A round that the file of a chosen option sets."""

    name: str
    document: Document

    @property
    def place(self) -> tuple[str, int | None]:
        """File and line."""
        return self.document.origin, self.document.lines.get(("round",))


class Identities:
    """Typed sections by option, each made, or refused, once."""

    def __init__(self, library: Library) -> None:
        self._library = library
        self._made: dict[tuple[str, str], Any] = {}
        self._refused: dict[tuple[str, str], ConfigError] = {}
        self._claimed: dict[str, Benchmark] = {}
        self._aliases: dict[str, Mapping[str, str]] = {}
        self._stated: dict[tuple[str, str], StatedRound | None] = {}

    def system(self, option: str) -> System:
        """The system of an option.

        Raises:
            ConfigError: when there is none, or its section is wrong.
        """
        return self._identity(System, "system", option, name="id")

    def benchmark(self, option: str) -> Benchmark:
        """The benchmark of an option, engine libraries that claim it among its own; errors as for ``system``."""
        if option not in self._claimed:
            named = self._identity(Benchmark, "benchmark", option, name="id")
            claiming = (name for name in plugins.claimants(named) if name in self._library.options("backend"))
            self._claimed[option] = attrs.evolve(named, backends=(*named.backends, *claiming))
        return self._claimed[option]

    def backend(self, option: str) -> Backend:
        """The backend of an option; errors as for ``system``."""
        return self._identity(Backend, "backend", option, name="name")

    def stated_round(self, options: Mapping[str, str]) -> StatedRound | None:
        """The round that the files of chosen options set: the strongest group's; None where none does.

        Raises:
            ConfigError: when one of them sets the tuned round, which only a choice can.
        """
        found = None
        for group in self._strength:
            if group in options:
                key = (group, options[group])
                if key not in self._stated:
                    self._stated[key] = self._find_stated(*key)
                found = self._stated[key] or found
        return found

    @cached_property
    def _strength(self) -> tuple[str, ...]:
        """Groups whose files may set a round, weakest first."""
        names = (entry.group for entry in read_defaults_list(self._library.config))
        return tuple(name for name in names if name in self._library.groups and name not in (TUNED, TUNED_ROUND))

    def _find_stated(self, group: str, option: str) -> StatedRound | None:
        for document in ancestors(self._library, group, option):
            if document.package != "_global_":
                continue
            chosen = document.tree.get(TUNED_ROUND)
            if chosen is not None:
                message = "a file cannot choose it: which tuned values there are follows from the cell"
                line, hint = document.lines.get((TUNED_ROUND,)), f"choose {TUNED_ROUND}={chosen} on the command line"
                raise ConfigError([Problem(TUNED_ROUND, message, document.origin, line, hint)])
            name = document.tree.get("round")
            if name is not None:
                return StatedRound(str(name), document)
        return None

    def aliases(self, group: str) -> Mapping[str, str]:
        """Every name of an option of ``system`` or ``benchmark``, folded to lower case, to the option.

        Files that cannot be read lend no name here; they are reported when they are chosen.
        """
        if group not in self._aliases:
            names: dict[str, str] = {}
            for option in self._library.options(group):
                for alias in self._written_aliases(group, option):
                    names.setdefault(alias.lower(), option)
            names.update({option.lower(): option for option in self._library.options(group)})
            self._aliases[group] = names
        return self._aliases[group]

    def _written_aliases(self, group: str, option: str) -> list[str]:
        try:
            document = self._library.require(group, option)
        except ConfigError:
            return []
        section = document.tree.get(group)
        aliases = section.get("aliases") if isinstance(section, dict) else None
        return [alias for alias in aliases if isinstance(alias, str)] if isinstance(aliases, list) else []

    def _identity(self, cls: type[T], group: str, option: str, *, name: str) -> T:
        key = (group, option)
        if key in self._refused:
            raise ConfigError(self._refused[key].problems)
        if key not in self._made:
            document = self._library.require(group, option)
            try:
                self._made[key] = self._read(cls, document, group, option, name)
            except ConfigError as error:
                self._refused[key] = error
                raise
        found: T = self._made[key]
        return found

    def _read(self, cls: type[T], document: Document, group: str, option: str, name: str) -> T:
        def origin(path: tuple[str, ...]) -> tuple[str, int | None]:
            return document.origin, document.lines.get((group, *path))

        try:
            made: T = structure(cls, self._section(group, option), origin=origin, owned=False)
        except ConfigError as error:
            raise ConfigError(
                attrs.evolve(problem, path=f"{group}.{problem.path}") for problem in error.problems
            ) from error
        if not option or "/" in option or "\\" in option or ".." in option:
            message = f"{option!r} cannot name a folder of results"
            hint = "name the file, and in it the option, without /, \\ and .."
            raise ConfigError([Problem(f"{group}.{name}", message, *origin((name,)), hint)])
        if getattr(made, name) != option:
            # Results are filed under the name in the section, cells under the option.
            message = f"is {getattr(made, name)!r} in the file of {option!r}"
            raise ConfigError([Problem(f"{group}.{name}", message, *origin((name,)), f"write {name}: {option}")])
        return made

    def _section(self, group: str, option: str) -> Tree:
        document = self._library.require(group, option)
        section = document.tree.get(group)
        if document.defaults is None and isinstance(section, dict) and "${" not in repr(section):
            return without_nulls(section)
        # The file builds on others or refers to other values: only a composed cell can tell.
        composed: Tree = compose_cell(self._library, [f"{group}={option}"]).tree.get(group, {})
        return composed

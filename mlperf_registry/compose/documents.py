"""Documents: option files by group and option, as far as ancestry and bases need them; the library is them all."""

from __future__ import annotations

from typing import Protocol

from mlperf_registry.compose.document import Document
from mlperf_registry.schema.problem import Problem


class Documents(Protocol):
    """Where the documents of options are had from."""

    def document(self, group: str, option: str) -> Document | None:
        """The document of an option, None where there is none; raises ConfigError where its file is no mapping."""

    def options(self, group: str) -> tuple[str, ...]:
        """The options of a group, sorted."""

    def unknown(self, group: str, option: str, origin: str | None = None) -> Problem:
        """The problem of an option that its group does not have."""

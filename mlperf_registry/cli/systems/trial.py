"""A system's file on trial: loaded as if it lay in its place, before anything is put there."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

import attrs

from mlperf_registry.compose.library import TUNED
from mlperf_registry.registry import Registry
from mlperf_registry.schema.problem import ConfigError, Problem


@contextlib.contextmanager
def on_trial(registry: Registry, place: Path, text: str) -> Iterator[Registry]:
    """A registry in which ``text`` lies at ``place``, and nothing is written there.

    Its tuned values are seen too, and all that lies beside it where that is a folder of systems already. Problems that
    are raised within speak of ``place``.
    """
    home = place.parent.resolve()
    roots = registry.library.roots
    with tempfile.TemporaryDirectory(prefix="mlperf-") as made:
        stand_in = Path(made).resolve()
        beside = home.iterdir() if home in roots.systems else filter(Path.is_dir, (home / TUNED,))
        for entry in beside:
            if entry.name != place.name:
                (stand_in / entry.name).symlink_to(entry)
        (stand_in / place.name).write_text(text, encoding="utf-8")
        systems = tuple(stand_in if root == home else root for root in roots.systems)
        if stand_in not in systems:
            systems = (stand_in, *systems)
        try:
            yield Registry(attrs.evolve(roots, systems=systems))
        except ConfigError as error:
            raise ConfigError(_as_if_at(problem, stand_in, place) for problem in error.problems) from error


def _as_if_at(problem: Problem, stand_in: Path, place: Path) -> Problem:
    texts = {name: getattr(problem, name) for name in ("path", "message", "origin", "hint")}
    told = {
        name: text.replace(str(stand_in / place.name), str(place)).replace(str(stand_in), str(place.parent))
        for name, text in texts.items()
        if text is not None
    }
    return attrs.evolve(problem, **told)

"""Loaded: one configuration as Hydra's own loader makes it, with the defaults list of which provenance is made.

Uses no global state of Hydra's, so that it works inside a multirun job as well as on its own.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import attrs

from mlperf_registry.compose.composed import Layer
from mlperf_registry.compose.fields import is_open
from mlperf_registry.compose.layers import Layers
from mlperf_registry.compose.library import CONFIG, Library
from mlperf_registry.compose.override import Override
from mlperf_registry.compose.tree import Tree

_VERSION_BASE = "1.3"


@attrs.frozen
class Loaded:
    """What Hydra composed."""

    config: Any
    """OmegaConf's, unresolved, without Hydra's own section."""
    defaults: Sequence[Any]
    """Hydra's composed defaults list."""
    choices: Mapping[str, str | None]
    """Group to option, less Hydra's own groups."""

    def resolved(self) -> Tree:
        """Plain values, nulls included.

        Raises:
            OmegaConfBaseException: for an interpolation that leads nowhere.
        """
        from omegaconf import OmegaConf

        tree: Tree = OmegaConf.to_container(self.config, resolve=True)  # type: ignore[assignment]
        return tree

    def layers(self, layers: Layers) -> Iterator[Layer]:
        """What each config of the defaults list contributed, weakest first."""
        for default in self.defaults:
            config_path = default.config_path
            if config_path is not None and not config_path.startswith("hydra/"):
                yield layers.placed(config_path, tuple(filter(None, (default.package or "").split("."))))


def load(library: Library, overrides: Sequence[Override]) -> Loaded:
    """Compose through Hydra.

    Raises:
        Exception: Hydra's and OmegaConf's own, of many kinds; ``mistakes.answered`` makes sentences of them.
    """
    from hydra._internal.config_loader_impl import ConfigLoaderImpl
    from hydra._internal.config_search_path_impl import ConfigSearchPathImpl
    from hydra.types import RunMode
    from omegaconf import open_dict

    from mlperf_registry.compose.source import serving

    class Loader(ConfigLoaderImpl):
        """Keeps the composed defaults list."""

        defaults: Sequence[Any] = ()

        def _compose_config_from_defaults_list(self, defaults: Any, repo: Any) -> Any:
            self.defaults = defaults
            return super()._compose_config_from_defaults_list(defaults, repo)

    path = ConfigSearchPathImpl()
    path.append("hydra", "pkg://hydra.conf")
    # Before conf/, so that Hydra takes the same file for an option as the library does, be it the user's.
    path.append("mlperf", "mlperf://roots")
    path.append("main", f"file://{library.roots.conf}")
    path.append("schema", "structured://")
    # Hydra wants a job name, which hydra.main would otherwise set in a global.
    texts = [*(_text(library, override) for override in overrides), "hydra.job.name=mlperf"]
    with serving(library), _version_base(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        loader = Loader(path)
        config = loader.load_configuration(CONFIG, texts, RunMode.RUN, from_shell=False)
    chosen = {str(group): option for group, option in config.hydra.runtime.choices.items()}
    with open_dict(config):
        del config["hydra"]
    ours = {group: option for group, option in chosen.items() if not group.startswith("hydra/")}
    return Loaded(config, loader.defaults, ours)


def _text(library: Library, override: Override) -> str:
    """The override for Hydra: open where keys are the user's, else strict, whatever ``+`` was written."""
    if override.for_hydra or override.kind == "delete":
        return override.text
    bare = override.text.lstrip("+")
    return f"++{bare}" if library.is_value(override) and is_open(override.path) else bare


@contextmanager
def _version_base() -> Iterator[None]:
    """Hydra's behaviour of 1.3, whatever the process around us asked for."""
    from hydra import version
    from hydra.version import VersionBase

    before = VersionBase.instance().version_base
    version.setbase(_VERSION_BASE)
    try:
        yield
    finally:
        VersionBase.instance().version_base = before

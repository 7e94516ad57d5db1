"""RegistrySource: what Hydra cannot read from conf/: layers generated from the schema, tuned values, other roots.

One source with a list of roots, since Hydra takes a config from the first search path that has it and merges nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from typing import Any

from hydra.core.object_type import ObjectType
from hydra.core.plugins import Plugins
from hydra.plugins.config_source import ConfigLoadError, ConfigResult, ConfigSource
from omegaconf import OmegaConf

from mlperf_registry.compose.library import FIELDS, GENERATED_GROUPS, TUNED, Library, Roots
from mlperf_registry.compose.tree import Tree

_served: ContextVar[Library] = ContextVar("served_library")
_registered: list[Library] = []


def register(library: Library) -> None:
    """Make ``mlperf://roots`` known to Hydra in this process, serving ``library`` where ``serving`` says no other."""
    _registered[:] = [library]
    Plugins.instance().register(RegistrySource)


@contextmanager
def serving(library: Library) -> Iterator[None]:
    """While inside, ``mlperf://roots`` serves ``library``."""
    Plugins.instance().register(RegistrySource)
    token = _served.set(library)
    try:
        yield
    finally:
        _served.reset(token)


class RegistrySource(ConfigSource):
    """``mlperf://roots`` in Hydra's search path."""

    @staticmethod
    def scheme() -> str:
        """``mlperf``."""
        return "mlperf"

    @property
    def _library(self) -> Library:
        return _served.get(None) or (_registered[0] if _registered else _installed())

    def available(self) -> bool:
        """Always: the primary config's own folder is Hydra's to check."""
        return True

    def load_config(self, config_path: str) -> ConfigResult:
        """The config at a path without or with ``.yaml``.

        Raises:
            ConfigLoadError: when there is none.
            ConfigError: when its file is wrong.
        """
        group, option = self._address(config_path)
        if group == TUNED:
            merged = self._library.tuned.merged(option)
            if merged is not None:
                return self._result(_values(merged), "_global_")
        else:
            document = self._library.document(group, option)
            if document is not None:
                return self._result(document.content, document.package)
        raise ConfigLoadError(f"Config not found : {config_path}")

    def is_group(self, config_path: str) -> bool:
        """Whether options lie below the path."""
        path = config_path.strip("/")
        if path == TUNED or path.startswith(f"{TUNED}/"):
            return any(f"{TUNED}/{option}".startswith(f"{path}/") for option in self._library.tuned.options())
        return path in GENERATED_GROUPS or path in self._library.groups

    def is_config(self, config_path: str) -> bool:
        """Whether there is an option at the path."""
        group, option = self._address(config_path)
        if group == TUNED:
            return self._library.tuned.layers(option) is not None
        if group:
            return self._library.document(group, option) is not None
        return option == FIELDS

    def list(self, config_path: str, results_filter: ObjectType | None) -> list[str]:
        """Names directly below a path, for completion and ``--info``."""
        path = config_path.strip("/")
        groups: set[str] = set()
        configs: set[str] = set()
        if path == "":
            groups.update((*self._library.groups, *GENERATED_GROUPS, TUNED))
            configs.add(FIELDS)
        elif path == TUNED or path.startswith(f"{TUNED}/"):
            for option in self._library.tuned.options():
                full = f"{TUNED}/{option}"
                if full.startswith(f"{path}/"):
                    name, _, rest = full.removeprefix(f"{path}/").partition("/")
                    (groups if rest else configs).add(name)
        else:
            configs.update(self._library.options(path))
        if results_filter == ObjectType.GROUP:
            return sorted(groups)
        return sorted(configs if results_filter == ObjectType.CONFIG else groups | configs)

    def _result(self, tree: Tree, package: str | None) -> ConfigResult:
        return ConfigResult(
            provider=self.provider, path=self.full_path(), config=OmegaConf.create(tree), header={"package": package}
        )

    @staticmethod
    def _address(config_path: str) -> tuple[str, str]:
        group, _, option = config_path.removesuffix(".yaml").strip("/").partition("/")
        return (group, option) if option else ("", group)


@cache
def _installed() -> Library:
    """For a launcher's worker, which gets the class by pickle and nothing that its parent registered."""
    return Library(Roots.find())


def _values(tree: Tree) -> dict[str, Any]:
    return {key: _values(node) if type(node) is dict else node.value for key, node in tree.items()}

"""Layers: what each option and each override contributes, made once and shared by all cells.

Provenance of a cell composed by Hydra and the matrix itself are both stacks of these.
"""

from __future__ import annotations

from mlperf_registry.compose.composed import Layer
from mlperf_registry.compose.library import CONFIG, TUNED, Library
from mlperf_registry.compose.override import Override
from mlperf_registry.compose.tree import OutsideDialect, Path
from mlperf_registry.schema.problem import ConfigError, Problem

_HYDRA = "hydra"


class Layers:
    """Layers by group and option, and by override."""

    def __init__(self, library: Library) -> None:
        self.library = library
        self._options: dict[tuple[str, str], Layer | None] = {}
        self._values: dict[tuple[str, str], Layer] = {}

    def primary(self) -> Layer:
        """What the primary config says itself."""
        config = self.library.config
        return Layer.of(config, without=_HYDRA)

    def option(self, group: str, option: str) -> Layer | None:
        """The layer of an option, where its header says; None where there is no such option.

        Raises:
            OutsideDialect: when the file has a defaults list, or a package other than ``_global_`` or its group.
        """
        key = (group, option)
        if key in self._options:
            return self._options[key]
        layer = self._tuned(option) if group == TUNED else self._read(group, option)
        if layer is not None or group != TUNED:  # most cells are untuned, and none of them is met again
            self._options[key] = layer
        return layer

    def placed(self, config_path: str, package: Path) -> Layer:
        """The layer of a config of Hydra's defaults list, at the package that Hydra found for it.

        Raises:
            ConfigError: for one that the library does not have.
        """
        group, _, option = config_path.partition("/")
        if config_path == CONFIG:
            return self.primary()
        if group == TUNED:
            layer = self._tuned(option)
        else:
            document = self.library.document(group, option) if option else self.library.document("", group)
            layer = None if document is None else Layer.of(document, package)
        if layer is None:
            raise ConfigError(
                [
                    Problem(
                        config_path, "lies in none of the registry's folders", hint="put it into conf/ or a plug-in's"
                    )
                ]
            )
        return layer

    def value(self, override: Override, origin: str) -> Layer:
        """The layer of an override of a value."""
        key = (override.text, origin)
        if key not in self._values:
            if override.kind == "delete":
                self._values[key] = Layer.removal(origin, override.path)
            else:
                self._values[key] = Layer.value(origin, override.path, override.value)
        return self._values[key]

    def _tuned(self, option: str) -> Layer | None:
        tuned = self.library.tuned
        parts = tuned.layers(option)
        return None if parts is None else Layer(tuned.merge(option, parts), parts)

    def _read(self, group: str, option: str) -> Layer | None:
        document = self.library.document(group, option)
        if document is None:
            return None
        if document.defaults is not None or _HYDRA in document.tree:
            raise OutsideDialect(f"{document.origin} has a defaults list, or configures Hydra", document)
        if document.package is None:
            return Layer.of(document, (group,) if group else ())
        if document.package != "_global_":
            raise OutsideDialect(f"{document.origin}: @package {document.package}", document)
        return Layer.of(document)

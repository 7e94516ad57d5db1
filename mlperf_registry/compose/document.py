"""Document: one YAML file as a plain tree, read exactly as OmegaConf reads it, with the line of each value on demand.

Hydra reads the same files with OmegaConf's slow loader; the matrix and provenance need a fast one that never disagrees.
"""

from __future__ import annotations

import re
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from mlperf_registry.schema.problem import ConfigError, Problem

_Base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_FLOAT = re.compile(
    r"""^(?:
     [-+]?[0-9]+(?:_[0-9]+)*\.[0-9_]*(?:[eE][-+]?[0-9]+)?
    |[-+]?[0-9]+(?:_[0-9]+)*(?:[eE][-+]?[0-9]+)
    |\.[0-9]+(?:_[0-9]+)*(?:[eE][-+][0-9]+)?
    |[-+]?[0-9]+(?:_[0-9]+)*(?::[0-5]?[0-9])+\.[0-9_]*
    |[-+]?\.(?:inf|Inf|INF)
    |\.(?:nan|NaN|NAN))$""",
    re.X,
)
_HEADER = re.compile(r"^\s*#\s*@package\s+(\S+)\s*$")
_SCALAR_TAG = yaml.resolver.BaseResolver.DEFAULT_SCALAR_TAG

GENERATED = "schema"
"""Origin of layers that no one wrote."""


class _Loader(_Base):  # type: ignore[misc]
    """A safe loader with OmegaConf's three deviations: its floats, no timestamps, no duplicate keys."""

    def construct_mapping(self, node: Any, deep: bool = False) -> Any:
        seen = set()
        for key, _ in node.value:
            if key.tag == _SCALAR_TAG:
                if key.value in seen:
                    raise yaml.constructor.ConstructorError(
                        None, None, f"the key {key.value!r} is there twice", key.start_mark
                    )
                seen.add(key.value)
        return super().construct_mapping(node, deep=deep)


_Loader.add_implicit_resolver("tag:yaml.org,2002:float", _FLOAT, list("-+0123456789."))
_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in _Loader.yaml_implicit_resolvers.items()
}


class Document:
    """One option file, one override, or one generated layer.

    Attributes:
        origin: how it is named to people, such as ``conf/benchmark/resnet50.yaml``.
        content: all of it.
        tree: the content without a defaults list.
        defaults: the defaults list; None without one.
        package: what the header ``# @package`` says; None without one.
    """

    def __init__(
        self,
        origin: str,
        content: dict[Any, Any],
        *,
        text: str = "",
        source: Path | None = None,
        package: str | None = "_global_",
    ) -> None:
        self.origin = origin
        self.content = content
        self.defaults: Any = content.get("defaults")
        self.tree = {key: value for key, value in content.items() if key != "defaults"}
        self.package = package
        self._text = text
        self._source = source

    @cached_property
    def lines(self) -> dict[tuple[str, ...], int]:
        """Path of each key to its 1-based line; parsed a second time, since most files are never asked."""
        found: dict[tuple[str, ...], int] = {}
        text = self._text if self._source is None else self._source.read_text(encoding="utf-8")

        def walk(node: Any, path: tuple[str, ...]) -> None:
            if isinstance(node, yaml.MappingNode):
                for key, value in node.value:
                    here = (*path, str(key.value))
                    found[here] = key.start_mark.line + 1
                    walk(value, here)

        walk(yaml.compose(text, Loader=_Loader), ())
        return found

    def named(self, origin: str) -> Document:
        """The same document under another name."""
        return Document(origin, self.content, text=self._text, source=self._source, package=self.package)


def generated(tree: dict[str, Any]) -> Document:
    """A layer of nulls made from the schema: it sets nothing, and provenance leaves it out."""
    return Document(GENERATED, tree)


def load_yaml(path: Path, origin: str | None = None) -> Document:
    """The document in ``path``.

    Args:
        path: a YAML file.
        origin: its name in errors and provenance; by default the path.

    Raises:
        ConfigError: when it cannot be read, is no YAML, repeats a key, or holds no mapping.
    """
    shown = origin if origin is not None else str(path)
    try:
        text = path.read_text(encoding="utf-8")
        tree = yaml.load(text, Loader=_Loader)
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ConfigError([Problem(shown, f"the file cannot be read: {reason}", origin=shown)]) from error
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = None if mark is None else mark.line + 1
        raise ConfigError([Problem(shown, f"this is no valid YAML: {error.problem}", shown, line)]) from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ConfigError([Problem(shown, f"this is no valid YAML: {error}", shown)]) from error
    if tree is None:
        tree = {}
    if not isinstance(tree, dict):
        raise ConfigError([Problem(shown, "the file must hold a mapping of keys to values", shown, 1)])
    return Document(shown, tree, text=text, package=_package(text))


def _package(text: str) -> str | None:
    """What Hydra takes for the header: ``# @key value`` lines before any other, in the first 512 characters."""
    package = None
    for line in text[:512].splitlines():
        if line.strip() and not re.match(r"^\s*#\s*@", line):
            break
        match = _HEADER.match(line)
        package = match[1] if match else package
    return package

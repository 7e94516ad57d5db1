"""ParsedCache: the trees of YAML files, kept between processes, each as long as its file is untouched.

Reading all of conf/ takes a second with libyaml and ten without; of the cache, a tenth of one.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from mlperf_registry.atomic import write_text
from mlperf_registry.compose import document
from mlperf_registry.compose.document import Document, load_yaml

_SETTLED_NS = 2_000_000_000
"""A file changed so shortly before it is kept might change again without another time of change."""

_Stamp = list[int]


class ParsedCache:
    """One file of parsed documents for one set of roots. A cache that cannot be read or written only costs time."""

    def __init__(self, folder: Path, roots: Iterable[Path]) -> None:
        """Nothing is read yet.

        Args:
            folder: where the cache lies; made when it is first written.
            roots: the folders whose files it keeps, in order.
        """
        name = hashlib.sha256("\n".join(map(str, roots)).encode()).hexdigest()[:16]
        self._file = folder / f"parsed-{name}.json"
        self._kept: dict[str, Any] | None = None
        self._read: dict[str, Any] = {}
        self._grown = False

    def load(self, path: Path, origin: str) -> Document:
        """The document in ``path``; arguments and errors as for ``load_yaml``."""
        key = str(path)
        stamp = _stamp(path)
        entry = self._entries().get(key)
        if stamp is not None and entry is not None and entry[0] == stamp:
            self._read[key] = entry
            return Document(origin, entry[1], source=path, package=entry[2])
        parsed = load_yaml(path, origin)
        if stamp is not None and stamp == _stamp(path) and _as_json(parsed.content):
            self._read[key] = [stamp, parsed.content, parsed.package]
            self._grown = True
        return parsed

    def save(self) -> None:
        """Keep what was loaded, if anything of it is new, beside what was kept before and is still there."""
        if not self._grown:
            return
        settled = time.time_ns() - _SETTLED_NS
        there = {key: entry for key, entry in self._entries().items() if key in self._read or Path(key).is_file()}
        kept = {key: entry for key, entry in {**there, **self._read}.items() if max(entry[0][:2]) < settled}
        with contextlib.suppress(OSError):
            self._file.parent.mkdir(parents=True, exist_ok=True)
            write_text(self._file, json.dumps({"form": _form(), "files": kept}, separators=(",", ":")))

    def _entries(self) -> dict[str, Any]:
        if self._kept is None:
            self._kept = {}
            with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
                content = json.loads(self._file.read_text(encoding="utf-8"))
                if content["form"] == _form():
                    self._kept = dict(content["files"])
        return self._kept


def _form() -> list[Any]:
    """Changes when the same text might be read as another tree, or kept otherwise."""
    return [yaml.__version__, _stamp(Path(document.__file__)), _stamp(Path(__file__))]


def _stamp(path: Path) -> _Stamp | None:
    """Times of change, size and inode: a copy may bring an old time with it, but not all four."""
    try:
        found = path.stat()
    except OSError:
        return None
    return [found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino]


def _as_json(value: Any) -> bool:
    """Whether JSON gives the very same value back: YAML also has keys that are no text, bytes and sets."""
    if type(value) is dict:
        return all(type(key) is str and _as_json(item) for key, item in value.items())
    if type(value) is list:
        return all(map(_as_json, value))
    return value is None or type(value) in (str, int, float, bool)

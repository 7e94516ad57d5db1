"""Documents from the cache are those of the files, whatever happened to either since."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from mlperf_registry.compose import parsed_cache
from mlperf_registry.compose.library import Library, Roots
from mlperf_registry.compose.parsed_cache import ParsedCache
from mlperf_registry.roots import user_cache_folder
from mlperf_registry.schema.problem import ConfigError

Write = Callable[[Mapping[str, str]], Path]


@pytest.fixture(autouse=True)
def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if the files of a test were old."""
    monkeypatch.setattr(parsed_cache, "_SETTLED_NS", 0)


def cached(root: Path) -> ParsedCache:
    return ParsedCache(root / "cache", [root])


def kept(root: Path) -> int:
    files = list((root / "cache").glob("*.json"))
    return len(json.loads(files[0].read_text(encoding="utf-8"))["files"]) if files else 0


def test_what_was_kept_is_what_is_read(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "# @package _global_\na: {b: 1, c: 1.0, d: [yes, null, 1e3], e: 'x: y'}\nf: é\n"
    root = write({"x.yaml": text})
    first = cached(root)
    parsed = first.load(root / "x.yaml", "conf/x.yaml")
    first.save()
    monkeypatch.setattr(parsed_cache, "load_yaml", None)
    again = cached(root).load(root / "x.yaml", "conf/x.yaml")
    assert repr(again.content) == repr(parsed.content)
    assert (again.origin, again.package, again.lines) == (parsed.origin, parsed.package, parsed.lines)
    assert again.lines[("f",)] == 3


def test_a_file_that_changed_is_parsed_again(write: Write) -> None:
    root = write({"x.yaml": "a: 1\n"})
    path = root / "x.yaml"
    before = path.stat()
    first = cached(root)
    first.load(path, "x")
    first.save()
    path.write_text("a: 2\n", encoding="utf-8")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert cached(root).load(path, "x").content == {"a": 2}


def test_a_file_that_just_changed_is_not_kept(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parsed_cache, "_SETTLED_NS", 10**12)
    root = write({"x.yaml": "a: 1\n"})
    cache = cached(root)
    cache.load(root / "x.yaml", "x")
    cache.save()
    assert kept(root) == 0


@pytest.mark.parametrize("text", ["1: a\n", "a: !!binary aGk=\n", "a: !!set {x}\n"])
def test_what_json_cannot_say_is_not_kept(write: Write, text: str) -> None:
    root = write({"x.yaml": text, "y.yaml": "a: 1\n"})
    cache = cached(root)
    for name in ("x", "y"):
        cache.load(root / f"{name}.yaml", name)
    cache.save()
    assert kept(root) == 1


@pytest.mark.parametrize("content", ["", "{", "[]", '{"form": "old", "files": {}}', "\x00"])
def test_a_cache_that_is_none_is_made_anew(write: Write, content: str) -> None:
    root = write({"x.yaml": "a: 1\n"})
    cache = cached(root)
    cache.load(root / "x.yaml", "x")
    cache.save()
    (file,) = (root / "cache").iterdir()
    file.write_text(content, encoding="utf-8")
    again = cached(root)
    assert again.load(root / "x.yaml", "x").content == {"a": 1}
    again.save()
    assert kept(root) == 1


def test_files_that_are_gone_are_forgotten(write: Write) -> None:
    root = write({"x.yaml": "a: 1\n", "y.yaml": "a: 2\n", "z.yaml": "a: 3\n"})
    first = cached(root)
    for name in ("x", "y"):
        first.load(root / f"{name}.yaml", name)
    first.save()
    (root / "x.yaml").unlink()
    second = cached(root)
    second.load(root / "z.yaml", "z")
    second.save()
    assert kept(root) == 2


def test_no_cache_can_be_written(write: Write) -> None:
    root = write({"x.yaml": "a: 1\n", "cache": "a file\n"})
    cache = cached(root)
    assert cache.load(root / "x.yaml", "x").content == {"a": 1}
    cache.save()


def test_a_library_read_through_the_cache_is_the_same(checkout: Path, tmp_path: Path) -> None:
    def trees(library: Library) -> list[str]:
        options = [(group, option) for group in library.groups if group != "tuned" for option in library.options(group)]
        documents = [library.document(group, option) for group, option in options]
        tuned = [library.tuned.file(cell) for cell in (*library.tuned.cells, *library.tuned.shared)]
        return [repr(found.content) for found in (*documents, *(file.document for file in tuned if file)) if found]

    libraries = []
    for _ in range(2):
        libraries.append(Library(Roots(checkout / "conf")))
        libraries[-1].read_all(tmp_path)
    assert trees(libraries[0]) == trees(libraries[1]) == trees(Library(Roots(checkout / "conf")))
    assert len(list(tmp_path.iterdir())) == 1


def test_reading_all_reports_every_bad_file(write: Write, checkout: Path) -> None:
    text = (checkout / "conf" / "config.yaml").read_text(encoding="utf-8")
    root = write(
        {
            "conf/config.yaml": text,
            "conf/system/twice.yaml": "a: 1\na: 2\n",
            "conf/system/tab.yaml": "a:\n\tb: 1\n",
            "conf/backend/tensorrt.yaml": "# @package _global_\nbackend: {name: tensorrt}\n",
            "conf/tuned/v1.0/s/b/offline.yaml": "backends: [tensort]\n",
            "conf/tuned/v1.0/s/b/server.yaml": "backends: [tensorrt]\nwhen: {maxqq: {a: 1}}\n",
        }
    )
    with pytest.raises(ConfigError) as caught:
        Library(Roots(root / "conf")).read_all()
    places = {(Path(str(problem.origin)).name, problem.line) for problem in caught.value.problems}
    assert places == {("twice.yaml", 2), ("tab.yaml", 2), ("offline.yaml", 1), ("server.yaml", 2)}


def test_the_users_folder_follows_the_environment() -> None:
    assert user_cache_folder({"XDG_CACHE_HOME": "/x"}) == Path("/x/mlperf-registry")
    assert user_cache_folder({}) == Path.home() / ".cache" / "mlperf-registry"

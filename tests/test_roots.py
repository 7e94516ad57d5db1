"""Where what a configuration names lies, and the sentence for each way in which it does not."""

from __future__ import annotations

import os

import pytest

from mlperf_registry.roots import SCRATCH_VARIABLE, SYSTEMS_VARIABLE, resolve_path, system_roots
from mlperf_registry.schema.problem import NotReady


@pytest.fixture
def scratch(tmp_path):
    (tmp_path / "models" / "folder").mkdir(parents=True)
    (tmp_path / "models" / "file").write_text("weights")
    return tmp_path


@pytest.mark.parametrize(
    ("location", "kind"), [("file", "file"), ("folder", "folder"), ("file", None), ("folder", None)]
)
def test_a_relative_path_lies_in_the_scratch_space(scratch, location, kind):
    assert resolve_path(f"models/{location}", scratch, source="", kind=kind) == scratch / "models" / location
    assert resolve_path(str(scratch / "models" / location), None, source="", kind=kind) == scratch / "models" / location


def test_what_is_of_the_other_kind_is_told(scratch):
    with pytest.raises(NotReady, match="models/folder is no file"):
        resolve_path("models/folder", scratch, source="", kind="file")
    with pytest.raises(NotReady, match="models/file is a file, and the folder of a checkpoint belongs there"):
        resolve_path("models/file", scratch, source="", kind="folder")


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_what_may_not_be_read_is_told(scratch, monkeypatch, kind):
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(NotReady, match=f"models/{kind} may not be read by this user"):
        resolve_path(f"models/{kind}", scratch, source="", kind=kind)


@pytest.mark.parametrize("kind", ["file", "folder", None])
def test_what_is_not_there_is_told_with_its_source(scratch, kind):
    with pytest.raises(NotReady, match=r"models/none is missing\. Get it: the archive"):
        resolve_path("models/none", scratch, source="the archive", kind=kind)
    with pytest.raises(NotReady, match=f"models/none lies in the scratch space, and .{SCRATCH_VARIABLE} is not set"):
        resolve_path("models/none", None, source="the archive", kind=kind)
    with pytest.raises(NotReady, match=r"No path of the model or the data is set\. Get it: the archive"):
        resolve_path(None, scratch, source="the archive", kind=kind)


def test_systems_lie_where_the_documentation_says_and_nowhere_else(tmp_path):
    given, named, working = (tmp_path / name for name in ("given", "named", "working"))
    for folder in (given, named, working / "systems"):
        folder.mkdir(parents=True)
    environ = {SYSTEMS_VARIABLE: os.pathsep.join((str(named), str(tmp_path / "absent")))}
    assert system_roots({}, working_dir=tmp_path) == ()
    assert system_roots(environ, working_dir=working, given=(given,)) == (given, named, working / "systems")

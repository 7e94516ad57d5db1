"""A build whose process is ended, whose disk is full, or whose plug-in libraries are none: what the user is told."""

from __future__ import annotations

import errno
import os
import resource
import shutil
import subprocess

import pytest

from harness.backends.tensorrt.builder import TensorRTBuilder
from harness.backends.tensorrt.library import open_library
from harness.backends.tensorrt.plan import load_plugins
from mlperf_registry.schema.problem import NotReady, RunFailed
from tests.file_rights import powerless
from tests.harness.backends.tensorrt.mini_network import MINI, make_recipe

compiled = pytest.mark.skipif(shutil.which("cc") is None, reason="there is no C compiler here, and it is optional")


@pytest.fixture
def library_of(tmp_path):
    """Makes a shared library of C; returns its path."""

    def make(code: str) -> str:
        source, made = tmp_path / "plugin.c", tmp_path / "plugin.so"
        source.write_text(f"#include <signal.h>\n{code}\n")
        subprocess.run(["cc", "-shared", "-fPIC", "-o", made, source], check=True)
        return str(made)

    return make


def on_loading(sends: str) -> str:
    """C that sends its process a signal when it is loaded."""
    return f"void __attribute__((constructor)) begin(void) {{ raise({sends}); }}"


@compiled
def test_a_build_that_is_killed_says_that_memory_ran_out_and_what_takes_less(build, library_of):
    with pytest.raises(
        RunFailed,
        match=r"was killed by SIGKILL\. The system's memory has probably run out \([\d,]+ MiB are free now\): "
        r"lower builder\.gpu_batch_size or runtime\.gpu_inference_streams, .*The last it wrote: ",
    ):
        build(builder__plugin_libraries=[library_of(on_loading("SIGKILL"))])


@compiled
@pytest.mark.parametrize("sends", ["SIGSEGV", "SIGABRT"])
def test_a_crash_with_plugin_libraries_names_them(build, library_of, sends):
    path = library_of(on_loading(sends))
    with pytest.raises(RunFailed, match=rf"{sends}\. builder\.plugin_libraries may be at fault: try without {path}\. "):
        build(builder__plugin_libraries=[path])


def test_a_disk_that_takes_no_more_is_the_systems_own_error(build, tmp_path):
    """So that whoever holds the engine cache says where, and what to do."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 14, before[1]))
    try:
        with pytest.raises(OSError, match=os.strerror(errno.EFBIG)) as failure:
            build()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert (failure.value.errno, failure.value.filename) == (errno.EFBIG, str(tmp_path))


@pytest.fixture
def build_with(tmp_path, monkeypatch):
    """Builds into ``tmp_path`` with a module of this code in the library's place."""

    def run(code: str) -> None:
        modules = tmp_path / "modules"
        modules.mkdir()
        (modules / "tensorrt_rtx.py").write_text(code)
        monkeypatch.syspath_prepend(modules)
        TensorRTBuilder().build(make_recipe(MINI, None), tmp_path)

    return run


def test_a_library_that_lacks_a_library_of_its_own_is_not_ready(build_with):
    with pytest.raises(NotReady, match=r"needs its library \(libnvinfer\.so\.none: .*pip install"):
        build_with("import ctypes; ctypes.CDLL('libnvinfer.so.none')")


@pytest.mark.parametrize(
    ("error", "unwritten"),
    [
        ("OSError(errno.ENOSPC, 'No space left on device')", True),
        ("PermissionError(errno.EACCES, 'Permission denied', sys.argv[1] + '/plan.json')", True),
        ("PermissionError(errno.EACCES, 'Permission denied', '/dev/nvidia0')", False),
        ("OSError('libnvinfer_builder_resource.so: cannot open shared object file')", False),
    ],
)
def test_the_systems_errors_are_about_the_folder_only_where_they_are(build_with, tmp_path, error, unwritten):
    code = f"import errno, sys\n__version__ = '1'\ndef __getattr__(name): raise {error}\n"
    with pytest.raises(OSError if unwritten else RunFailed) as failure:
        build_with(code)
    if unwritten:
        assert failure.value.filename == str(tmp_path)
    else:
        assert "fault of this program, in tensorrt_rtx.py:3: " in str(failure.value)


def test_a_plugin_library_of_is_none_says_why(build, tmp_path):
    path = tmp_path / "words.so"
    path.write_text("no library")
    with pytest.raises(NotReady, match=r"not load the plug-in library \S+words\.so: .*(file too short|ELF header)"):
        build(builder__plugin_libraries=[str(path)])


@compiled
@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("int nothing;", "it has no plug-ins, which it would give out by getCreators or getPluginCreators"),
        ("void **getCreators(int *count) { *count = 0; return 0; }", ""),
    ],
)
def test_a_library_without_plugins_is_said_to_have_none(build, library_of, code, said):
    with pytest.raises(NotReady, match=rf"does not load the plug-in library \S+plugin\.so: {said}"):
        build(builder__plugin_libraries=[library_of(code)])


def test_a_folder_is_no_plugin_library(build, tmp_path):
    with pytest.raises(NotReady, match=r"builder\.plugin_libraries names \S+, which is no file\."):
        build(builder__plugin_libraries=[str(tmp_path)])
    with pytest.raises(NotReady, match=r"builder\.plugin_libraries names \S+absent\.so, which is not there\."):
        build(builder__plugin_libraries=[str(tmp_path / "absent.so")])


def test_a_library_that_may_not_be_read_is_said(tmp_path):
    pytest.importorskip("tensorrt_rtx", reason="plug-ins are loaded with tensorrt-rtx-cu13")
    closed = tmp_path / "closed"
    closed.mkdir()
    path = closed / "plugin.so"
    path.write_text("content")
    closed.chmod(0)
    library = open_library("tensorrt_rtx", on_gpu=False)
    try:
        with powerless(), pytest.raises(NotReady, match=r"may not be read by this user: change its permissions\."):
            load_plugins(library, [str(path)])
    finally:
        closed.chmod(0o755)

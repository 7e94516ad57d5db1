"""Recipes: everything that an engine depends on is known, or the build is refused."""

from __future__ import annotations

import errno
import os
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import attrs
import pytest

from mlperf_registry import plugins
from mlperf_registry.execute import engine, host
from mlperf_registry.execute.progress import Silent
from mlperf_registry.execute.readiness import require_ready
from mlperf_registry.execute.recipe import expanded_key, make_recipe
from mlperf_registry.execute.scratch import scratch
from mlperf_registry.registry import Registry
from mlperf_registry.schema.plugin import BackendPlugin
from mlperf_registry.schema.problem import NotReady
from mlperf_registry.structure import value_at
from tests.file_rights import powerless


def backend(**changes):
    values = {"name": "mine", "builder": None, "runner": None, "reads": (), **changes}
    return BackendPlugin(**values)


def test_the_library_is_named_with_its_version(make_workload):
    assert make_recipe(make_workload(), None).library_version == f"onnxruntime {version('onnxruntime')}"


def test_a_library_under_another_name_is_found_by_its_module():
    plugin = backend(imports=("mlperf_loadgen",), distribution="mlperf-loadgen-from-nowhere")
    found = host.library_distribution(plugin)
    assert found is not None and found.replace("_", "-") == "mlcommons-loadgen"


@pytest.mark.parametrize(
    ("listed", "text"),
    [
        ("top_level.txt", "acme_engine\n"),
        ("RECORD", "acme_engine/run.py,,\n"),
        ("RECORD", "acme_for_gpus-2.5.dist-info/METADATA,,\nacme_engine.py,,\n"),
        ("RECORD", "acme_engine.abi3.so,sha256=0,1\n"),
        ("RECORD", "acme_engine.cpython-311-x86_64-linux-gnu.so,sha256=0,1\n"),
    ],
)
def test_a_library_is_found_under_another_distributions_name(tmp_path, monkeypatch, listed, text):
    info = tmp_path / "acme_for_gpus-2.5.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-for-gpus\nVersion: 2.5\n")
    (info / listed).write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    assert host.library_version(backend(imports=("acme_engine",), distribution="acme")) == "acme-for-gpus 2.5"


def test_a_library_that_does_not_say_its_version_is_refused():
    with pytest.raises(NotReady, match="says the version"):
        host.library_distribution(backend(imports=("no_such_module",), distribution="no-such-distribution"))
    assert host.library_distribution(backend()) is None


@pytest.mark.parametrize("key", ["flags", "Features"])
def test_the_same_model_with_other_instruction_sets_is_another_device(monkeypatch, key):
    def device(flags):
        monkeypatch.setattr(host, "cpu_model", lambda: "Some CPU")
        monkeypatch.setattr(host, "_cpuinfo", {key: flags}.get)
        return host.cpu_device()

    assert "Some CPU" in device("avx2 fma")
    assert device("fma avx2") == device("avx2 fma") != device("avx2 fma avx512f")


def test_a_model_in_several_files_is_refused(make_workload, tmp_path):
    onnx = pytest.importorskip("onnx")
    workload = make_workload()
    whole = onnx.load(make_recipe(workload, None).model_path)
    path = tmp_path / "model.onnx"
    onnx.save(whole, path, save_as_external_data=True, location="weights.bin", size_threshold=0)
    moved = attrs.evolve(workload, model=attrs.evolve(workload.model, path=str(path)))
    with pytest.raises(NotReady, match="external data"):
        make_recipe(moved, None)
    onnx.save(onnx.load(path), path)
    assert make_recipe(moved, None).model_path == str(path)


def test_a_folder_in_place_of_the_model_is_not_ready(make_workload, tmp_path):
    workload = make_workload(f"model.path={tmp_path}")
    for asked in (lambda: make_recipe(workload, None), lambda: require_ready(workload)):
        with pytest.raises(NotReady, match=f"{tmp_path} is no file"):
            asked()


@pytest.mark.parametrize(
    ("number", "cure"),
    [
        (errno.ENOSPC, "Free room"),
        (errno.EFBIG, "ulimit -f"),
        (errno.EROFS, "--build-dir"),
        (errno.EACCES, "--build-dir"),
    ],
)
def test_a_build_folder_that_cannot_be_written_comes_with_its_own_cure(
    make_workload, monkeypatch, tmp_path, number, cure
):
    def refuse(*_, **__):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(engine, "get_engine", refuse)
    with pytest.raises(NotReady, match=rf"engines.*{os.strerror(number)}\. .*{cure}"):
        engine.build(make_workload(), tmp_path, Silent())


def test_an_unusable_backend_is_said_first(make_workload, monkeypatch):
    monkeypatch.setattr(plugins, "backend", lambda name: BackendPlugin.faulty(name, "It is broken."))
    with pytest.raises(NotReady, match="broken"):
        make_recipe(make_workload(), None)


def test_the_scratch_space_does_not_depend_on_the_working_directory(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLPERF_SCRATCH_PATH", "scratch")
    assert scratch() == tmp_path.resolve() / "scratch"


@pytest.fixture(scope="module")
def registry(checkout: Path) -> Registry:
    return Registry.load(checkout / "conf", plugins=())


def test_an_option_that_the_family_lacks_is_skipped(registry: Registry) -> None:
    workload = registry.get(benchmark="resnet50-mini")
    assert value_at(workload, "benchmark.options.nms_type") is None
    assert value_at(workload, "backend.options.graph_optimization.deeper") is None
    assert value_at(workload, "builder.workspace_size") == (None, True)
    assert value_at(workload, "builder.precision") == ({"resnet50": "fp32"}, False)


def test_an_option_of_a_family_without_options_is_skipped(registry: Registry) -> None:
    workload = registry.get(benchmark="yolo")
    assert workload.benchmark.options is None
    assert value_at(workload, "benchmark.options.nms_type") is None


def test_a_benchmark_without_a_harness_is_not_ready_before_anything_is_built(registry: Registry) -> None:
    with pytest.raises(NotReady, match="no harness for benchmarks of the family bert"):
        make_recipe(registry.get(benchmark="bert"), None)


def gpu_recipe(workload, monkeypatch):
    """What the builder of a GPU backend is given for compute capability 8.6."""
    monkeypatch.setattr(plugins, "require", lambda plugin: None)
    monkeypatch.setattr("mlperf_registry.execute.recipe.library_version", lambda plugin: "tensorrt_rtx 1.0")
    return make_recipe(workload, None)


GPU_CELL = ("backend=tensorrt_rtx", "builder.compute_capability=8.6", "builder.gpu_batch_size=8")


def test_a_build_is_on_the_first_gpu_that_is_named_and_its_key_is_the_same(make_workload, monkeypatch):
    first = gpu_recipe(make_workload(*GPU_CELL), monkeypatch)
    other = gpu_recipe(make_workload(*GPU_CELL, "runtime.gpu_indices=[2,3]"), monkeypatch)
    assert (first.gpu_index, other.gpu_index) == (0, 2)
    assert expanded_key(first) == expanded_key(other)


def test_another_plugin_library_at_the_same_path_is_another_engine(make_workload, monkeypatch, tmp_path):
    library = tmp_path / "libmine.so"
    workload = make_workload(*GPU_CELL, f"builder.plugin_libraries=[{library}]")
    with pytest.raises(NotReady, match=r"plugin_libraries names .*libmine\.so, which cannot be read \(No such file"):
        gpu_recipe(workload, monkeypatch)
    keys = []
    for content in (b"one", b"two"):
        library.write_bytes(content)
        keys.append(expanded_key(gpu_recipe(workload, monkeypatch)))
    assert {path for path in keys[0] if keys[0][path] != keys[1][path]} == {"plugin_sha256"}
    assert "plugin_sha256" not in expanded_key(gpu_recipe(make_workload(*GPU_CELL), monkeypatch))


def test_nobody_is_told_to_install_what_could_not_run_here(make_workload):
    workload = make_workload("backend=tensorrt")
    if find_spec("tensorrt") is None:
        with pytest.raises(NotReady, match="pip install"):
            require_ready(workload)
    with pytest.raises(NotReady) as lacks:
        require_ready(workload, "It runs on a gpu, and there is none.")
    assert str(lacks.value) == "It runs on a gpu, and there is none."


@pytest.fixture
def closed(tmp_path):
    """A folder that nobody may look into, with what is asked for in it."""
    folder = tmp_path / "closed"
    folder.mkdir()
    (folder / "file").write_text("content")
    folder.chmod(0)
    yield folder
    folder.chmod(0o755)


INT8 = ("backend=tensorrt_rtx", "builder.compute_capability=8.6", "builder.gpu_batch_size=8", "builder.precision=int8")


@pytest.mark.parametrize("overrides", [("model.path={}",), (*INT8, "builder.cache_file={}")])
def test_what_lies_in_a_folder_that_may_not_be_read_is_said(make_workload, monkeypatch, closed, overrides):
    monkeypatch.setattr(plugins, "require", lambda plugin: None)
    workload = make_workload(*(override.format(closed / "file") for override in overrides))
    with powerless(), pytest.raises(NotReady, match="closed/file may not be read by this user: change its permissions"):
        make_recipe(workload, None)


@pytest.mark.parametrize("overrides", [("model.path={}",), (*INT8, "builder.cache_file={}")])
def test_a_file_that_may_not_be_read_is_said(make_workload, monkeypatch, tmp_path, overrides):
    monkeypatch.setattr(plugins, "require", lambda plugin: None)
    path = tmp_path / "file.onnx"
    path.write_text("content")
    path.chmod(0)
    workload = make_workload(*(override.format(path) for override in overrides))
    with powerless(), pytest.raises(NotReady, match=r"file\.onnx may not be read by this user: change its permissions"):
        make_recipe(workload, None)


def test_a_path_that_the_system_does_not_take_is_said(make_workload):
    with pytest.raises(NotReady, match="File name too long"):
        make_recipe(make_workload(f"model.path=/{'a' * 300}"), None)

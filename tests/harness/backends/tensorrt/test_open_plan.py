"""Loading a plan with a library and a GPU that are not had here: what is asked of them, and what users read."""

from __future__ import annotations

import json
from types import SimpleNamespace

import attrs
import pytest

from harness.backends.tensorrt import plan as plan_module
from harness.backends.tensorrt.gpu import DeviceMemory, Gpu
from harness.backends.tensorrt.inspection import read_inspection, write_inspection
from harness.backends.tensorrt.library import Features, Library
from harness.backends.tensorrt.plan import open_plan
from harness.backends.tensorrt.record import RECORD_SCHEMA, PlanRecord, PlanTensor, write_record
from mlperf_registry.schema.engine import Engine
from mlperf_registry.schema.problem import NotReady, RunFailed

MIB = 1 << 20
HERE = Gpu("NVIDIA T4", "7.5")


class FakeEngine:
    """As TensorRT 8.6 has it: no statistics of the engine, no second form of sizes."""

    num_layers = 1
    device_memory_size = 700 * MIB

    def __init__(self, contexts):
        self._contexts = contexts

    def create_execution_context(self):
        return self._contexts

    def create_engine_inspector(self):
        return SimpleNamespace(get_layer_information=lambda number, form: '{"Name": "conv1", "LayerType": "Conv"}')


class LaterEngine(FakeEngine):
    """As versions since have it."""

    device_memory_size_v2 = 701 * MIB

    def get_engine_stat(self, kind):
        return {"weights": 90 * MIB}[kind]


class FakeTensorRT:
    """The module, less what is not asked for here; its latest Runtime is kept with what it was told before loading."""

    LayerInformationFormat = SimpleNamespace(JSON="json")
    EngineStat = SimpleNamespace(TOTAL_WEIGHTS_SIZE="weights")

    def __init__(self, version, *, loads=True, errors="", dlas=0, engine=FakeEngine):
        self.version, self.loads, self.errors = version, loads, errors
        self.told = {}
        module = self

        class Runtime:
            engine_host_code_allowed = False
            num_DLA_cores = dlas
            DLA_core = -1

            def __init__(self, logger):
                pass

            def deserialize_cuda_engine(self, serialized):
                module.told = {"host code": self.engine_host_code_allowed, "dla": self.DLA_core}
                return engine(None) if module.loads else None

        self.Runtime = Runtime

    def init_libnvinfer_plugins(self, logger, namespace):
        pass

    def get_plugin_registry(self):
        return None

    def library(self, name="tensorrt"):
        features = Features(**dict.fromkeys((one.name for one in attrs.fields(Features)), False))
        logger = SimpleNamespace(take_errors=lambda: self.errors)
        return Library(name=name, trt=self, version=self.version, logger=logger, features=features)


@pytest.fixture
def engine(tmp_path, monkeypatch):
    """Writes the plan of a record; keywords change the record."""
    monkeypatch.setattr(plan_module, "require_gpu", lambda index: HERE)
    monkeypatch.setattr(plan_module, "device_memory", lambda: DeviceMemory(512 * MIB, 15000 * MIB))

    def write(size=8, **changes):
        values = {
            "schema": RECORD_SCHEMA,
            "backend": "tensorrt",
            "library_version": "10.3.0",
            "device": str(HERE),
            "precision": "int8",
            "max_batch": 8,
            "static_batch": False,
            "profiles": 1,
            "tensors": (PlanTensor(name="input", is_input=True, dtype="int8", shape=(3,)),),
            "seconds": 1.0,
        }
        write_record(tmp_path, PlanRecord(**{**values, **changes}))
        (tmp_path / "engine.plan").write_bytes(bytes(size))
        return Engine(key="k", path=str(tmp_path), file="engine.plan", sha256="", reused=True, why="")

    return write


# Versions.


def test_a_version_compatible_plan_may_bring_code(engine):
    trt = FakeTensorRT("10.3.0")
    open_plan(engine(version_compatible=True), trt.library())
    assert trt.told["host code"]


def test_other_plans_bring_no_code(engine):
    trt = FakeTensorRT("10.3.0")
    open_plan(engine(), trt.library())
    assert not trt.told["host code"]


@pytest.mark.parametrize("version_compatible", [False, True])
@pytest.mark.parametrize(("name", "here"), [("tensorrt", "10.3.1"), ("tensorrt", "11.0.0"), ("tensorrt_rtx", "10.3.0")])
def test_a_plan_is_for_the_library_and_the_version_that_built_it(engine, version_compatible, name, here):
    plan = engine(version_compatible=version_compatible)
    with pytest.raises(NotReady, match=rf"by tensorrt 10\.3\.0, .*{name} {here}: build it here with `mlperf build`"):
        open_plan(plan, FakeTensorRT(here).library(name))


# GPUs and DLAs.


def test_a_plan_for_another_compute_capability_names_the_field_that_chose_it(engine):
    plan = engine(device="compute capability 8.6")
    with pytest.raises(NotReady, match=r"capability 8\.6.*T4.*builder\.compute_capability=7\.5") as refusal:
        open_plan(plan, FakeTensorRT("10.3.0").library())
    assert "same overrides" not in str(refusal.value)


def test_a_plan_for_this_compute_capability_fits(engine):
    assert open_plan(engine(device="compute capability 7.5"), FakeTensorRT("10.3.0").library()).max_batch == 8


def test_a_plan_for_a_dla_is_loaded_onto_it(engine):
    trt = FakeTensorRT("10.3.0", dlas=2)
    open_plan(engine(dla_core=1), trt.library())
    assert trt.told["dla"] == 1
    open_plan(engine(), trt.library())
    assert trt.told["dla"] == -1


def test_a_plan_for_a_dla_that_is_not_here_is_not_ready(engine):
    with pytest.raises(NotReady, match=r"DLA 0.*finds 0 here.*builder\.dla_core"):
        open_plan(engine(dla_core=0), FakeTensorRT("10.3.0").library())


# Memory.


@pytest.mark.parametrize(("core", "field"), [(None, "builder.gpu_batch_size"), (0, "builder.dla_batch_size")])
def test_a_context_that_finds_no_memory_says_asked_free_and_fields(engine, core, field):
    plan = open_plan(engine(dla_core=core), FakeTensorRT("10.3.0", dlas=1).library())
    figures = r"each context takes 700\.0 MiB, 512\.0 of 15,000\.0 MiB are free: lower "
    with pytest.raises(RunFailed, match=f"{figures}{field} or runtime.gpu_inference_streams"):
        plan.context(0, stream=0)


def test_a_plan_too_large_for_the_memory_says_asked_free_and_a_field(engine):
    trt = FakeTensorRT("10.3.0", loads=False, errors="Error Code 2: OutOfMemory (no further information)")
    with pytest.raises(RunFailed, match=r"OutOfMemory.* takes about 3\.0 MiB, 512\.0 of .*builder\.precision"):
        open_plan(engine(size=3 * MIB), trt.library())


def test_a_plan_that_cannot_be_loaded_for_another_reason_speaks_of_no_memory(engine):
    trt = FakeTensorRT("10.3.0", loads=False, errors="Magic tag does not match")
    with pytest.raises(RunFailed, match=r"Magic tag does not match$"):
        open_plan(engine(), trt.library())


# Inspection, which loads the plan in the same way.


@pytest.mark.parametrize(("made", "context", "weights"), [(FakeEngine, 700, None), (LaterEngine, 701, 90)])
def test_inspection_loads_the_plan_as_its_record_says_and_tells_its_memory(engine, tmp_path, made, context, weights):
    trt = FakeTensorRT("10.3.0", dlas=1, engine=made)
    plan = engine(version_compatible=True, dla_core=0)
    write_inspection(trt.library(), b"", tmp_path)
    assert trt.told == {"host code": True, "dla": 0}
    found = read_inspection(plan)
    assert [layer.name for layer in found.layers] == ["conv1"]
    assert found.activation_bytes == context * MIB
    assert found.weight_bytes == (None if weights is None else weights * MIB)
    assert json.loads((tmp_path / "layers.json").read_text())["layers"][0]["kind"] == "Conv"

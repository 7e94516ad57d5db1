"""A module in the place of full TensorRT, which needs a GPU: what its Python bindings of some versions have, no more.

It parses networks with onnx and builds nothing: it keeps what was asked of each build, and refuses what the library
would. Names and numbers are those of NVIDIA's bindings (github.com/NVIDIA/TensorRT, python/src, tags v8.6.1, v10.16
and v11.1). Objects take no attributes that their version lacks, as those of the bindings take none.
"""

from __future__ import annotations

import enum
import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import attrs
import numpy as np
import onnx
from onnx import numpy_helper

VERSIONS = ("8.6.1", "10.16.1", "11.1.0")

_PRECISIONS = {"8": ("FP16", "INT8", "FP8"), "10": ("FP16", "INT8", "FP8", "BF16", "INT4", "FP4"), "11": ()}
_CREATION = {"8": ("EXPLICIT_BATCH", "EXPLICIT_PRECISION"), "10": ("EXPLICIT_BATCH", "STRONGLY_TYPED")}
_CUDNN_AND_BLAS = ("CUBLAS", "CUBLAS_LT", "CUDNN")
_SOURCES = ("EDGE_MASK_CONVOLUTIONS", "JIT_CONVOLUTIONS")
_FORMATS = ("LINEAR", "CHW2", "HWC8", "CHW4", "CHW16", "CHW32", "DHWC8", "CDHW32", "HWC")
_DTYPES = {
    "FLOAT": "float32",
    "HALF": "float16",
    "INT8": "int8",
    "INT32": "int32",
    "BOOL": "bool",
    "UINT8": "uint8",
    "FP8": "fp8",
}
_WIDE_DTYPES = {"INT64": "int64", "BF16": "bfloat16"}
"""Of version 10 and later."""
_ELEMENTS = {
    onnx.TensorProto.FLOAT: "FLOAT",
    onnx.TensorProto.FLOAT16: "HALF",
    onnx.TensorProto.BFLOAT16: "BF16",
    onnx.TensorProto.INT8: "INT8",
    onnx.TensorProto.INT32: "INT32",
    onnx.TensorProto.INT64: "INT64",
    onnx.TensorProto.BOOL: "BOOL",
    onnx.TensorProto.UINT8: "UINT8",
    onnx.TensorProto.FLOAT8E4M3FN: "FP8",
}
_KINDS = {
    "Conv": "CONVOLUTION",
    "Relu": "ACTIVATION",
    "Add": "ELEMENTWISE",
    "MaxPool": "POOLING",
    "GlobalAveragePool": "REDUCE",
    "Flatten": "SHUFFLE",
    "ArgMax": "TOPK",
    "Cast": "CAST",
    "QuantizeLinear": "QUANTIZE",
    "DequantizeLinear": "DEQUANTIZE",
}
_LAYER_KINDS = (*_KINDS.values(), "CONSTANT", "MATRIX_MULTIPLY", "IDENTITY", "SLICE", "CONCATENATION", "PLUGIN_V2")
_ABSENT = {
    "8": {
        "IBuilderConfig": ("progress_monitor",),
        "ICudaEngine": ("device_memory_size_v2", "get_engine_stat"),
        "IPluginRegistry": ("all_creators",),
    },
    "10": {},
    "11": {
        "ITensor": ("dynamic_range",),
        "ICudaEngine": ("device_memory_size",),
        "IPluginRegistry": ("plugin_creator_list",),
    },
}
"""What classes of a version lack of what is defined here."""


@attrs.frozen
class Tensor:
    """An input or output as a build was asked for it."""

    dtype: str
    """By the library's name: FLOAT, HALF, INT8."""
    formats: frozenset[str]
    """Those allowed."""
    shape: tuple[int, ...]


@attrs.frozen
class Build:
    """What was asked of one call of build_serialized_network."""

    flags: frozenset[str]
    """Of BuilderFlag."""
    creation: frozenset[str]
    """Of NetworkDefinitionCreationFlag."""
    inputs: dict[str, Tensor]
    outputs: dict[str, Tensor]
    ranges: dict[str, tuple[float, float]]
    """Of the tensors that have one."""
    tensors: dict[str, str]
    """Every tensor of the network, to its type."""
    operators: tuple[str, ...]
    """Of the ONNX graph that was parsed."""
    profiles: tuple[dict[str, tuple[tuple[int, ...], ...]], ...]
    """Each input's least, best and largest shape."""
    workspace: int | None
    level: int | None
    sources: frozenset[str] | None
    """Of TacticSource; None where the library chooses."""
    device: str
    dla_core: int
    verbosity: str
    timings: bytes | None
    """What the timing cache began with; None without one."""
    libraries: tuple[str, ...]
    """Plug-in libraries loaded until then."""


class StandIn(ModuleType):
    """The module; what it has beyond the library's names is for tests."""

    builds: list[Build]
    refuse: Callable[[Build], str | None]
    """Says of a build what the library logs when it fails, perhaps nothing; None where it does not fail."""
    refuse_sources: bool
    """Whether the library takes no choice of tactic sources."""
    refuse_profiles: bool
    refuse_builders: bool
    """Whether there is no memory for a Builder."""
    dla_cores: int
    """How many DLAs the machine has, and the library serves: none on the machines that are driven here."""
    loads: list[int]
    """For each plan that was loaded, the DLA that it was loaded for; -1 for none."""
    creators: list[Any]
    """Plug-ins that are registered."""


def make_tensorrt(version: str) -> StandIn:
    """The module of a version: one of VERSIONS."""
    major = version.split(".")[0]
    trt = StandIn("tensorrt")
    trt.__version__ = version
    trt.builds, trt.loads, trt.creators, trt.refuse = [], [], [], lambda build: None
    trt.dla_cores = 0
    trt.refuse_sources = trt.refuse_profiles = trt.refuse_builders = False
    _add_enumerations(trt, major)
    for made in (*_graph_classes(trt), *_build_classes(trt), *_runtime_classes(trt)):
        for name in _ABSENT[major].get(made.__name__, ()):
            delattr(made, name)
        setattr(trt, made.__name__, made)
    if major == "8":
        del trt.IProgressMonitor, trt.EngineStat
    libraries: list[str] = []
    registry = trt.IPluginRegistry(libraries)
    trt.get_plugin_registry = lambda: registry
    trt.init_libnvinfer_plugins = lambda logger, namespace: True
    return trt


def _enumeration(name: str, members: tuple[str, ...]) -> Any:
    return enum.IntEnum(name, members, start=0)


def _add_enumerations(trt: Any, major: str) -> None:
    others = ("DEBUG", "GPU_FALLBACK", "REFIT", "TF32", "DIRECT_IO", "VERSION_COMPATIBLE", "EXCLUDE_LEAN_RUNTIME")
    trt.BuilderFlag = _enumeration("BuilderFlag", (*_PRECISIONS[major], *others))
    creation = _CREATION.get(major, ("STRONGLY_TYPED",))
    trt.NetworkDefinitionCreationFlag = _enumeration("NetworkDefinitionCreationFlag", creation)
    sources = _SOURCES if major == "11" else (*_CUDNN_AND_BLAS, *_SOURCES)
    trt.TacticSource = _enumeration("TacticSource", sources)
    trt.TensorFormat = _enumeration("TensorFormat", _FORMATS)
    trt.LayerType = _enumeration("LayerType", tuple(dict.fromkeys(_LAYER_KINDS)))
    trt.MemoryPoolType = _enumeration("MemoryPoolType", ("WORKSPACE", "DLA_MANAGED_SRAM", "DLA_LOCAL_DRAM"))
    trt.ProfilingVerbosity = _enumeration("ProfilingVerbosity", ("LAYER_NAMES_ONLY", "NONE", "DETAILED"))
    trt.DeviceType = _enumeration("DeviceType", ("GPU", "DLA"))
    trt.LayerInformationFormat = _enumeration("LayerInformationFormat", ("ONELINE", "JSON"))
    trt.EngineStat = _enumeration("EngineStat", ("TOTAL_WEIGHTS_SIZE", "STRIPPED_WEIGHTS_SIZE"))
    kinds = _DTYPES if major == "8" else {**_DTYPES, **_WIDE_DTYPES}
    trt.DataType = _enumeration("DataType", tuple(kinds))
    for name, short in kinds.items():
        setattr(trt, short, trt.DataType[name])

    def nptype(dtype: Any) -> Any:
        if dtype.name in ("BF16", "FP8"):
            raise TypeError("Could not resolve TensorRT datatype to an equivalent numpy datatype.")
        return np.dtype(kinds[dtype.name]).type

    trt.nptype = nptype


def _names(kinds: Any, mask: int) -> frozenset[str]:
    return frozenset(one.name for one in kinds if mask >> int(one) & 1)


def _graph_classes(trt: Any) -> tuple[type, ...]:
    class ILogger:
        Severity = _enumeration("Severity", ("INTERNAL_ERROR", "ERROR", "WARNING", "INFO", "VERBOSE"))

        def __init__(self) -> None:
            pass

    class ITensor:
        __slots__ = ("_range", "allowed_formats", "dtype", "is_shape_tensor", "name", "shape")

        def __init__(self, name: str, dtype: Any, shape: tuple[int, ...]) -> None:
            self.name, self.dtype, self.shape = name, dtype, shape
            self.allowed_formats = (1 << len(trt.TensorFormat)) - 1
            self.is_shape_tensor, self._range = False, None

        @property
        def dynamic_range(self) -> tuple[float, float] | None:
            return self._range

        @dynamic_range.setter
        def dynamic_range(self, ends: tuple[float, float]) -> None:
            low, high = ends
            self._range = (float(low), float(high))

    class ILayer:
        __slots__ = ("_inputs", "_outputs", "_weights", "name", "type")

        def __init__(self, name: str, kind: str, inputs: list[Any], outputs: list[Any], weights: Any = None) -> None:
            self.name, self.type = name, trt.LayerType[kind]
            self._inputs, self._outputs, self._weights = inputs, outputs, weights

        num_inputs = property(lambda self: len(self._inputs))
        num_outputs = property(lambda self: len(self._outputs))

        def get_input(self, number: int) -> Any:
            return self._inputs[number] if number < len(self._inputs) else None

        def get_output(self, number: int) -> Any:
            return self._outputs[number]

    class IConstantLayer(ILayer):
        __slots__ = ()
        weights = property(lambda self: self._weights)

    class INetworkDefinition:
        __slots__ = ("_creation", "_inputs", "_layers", "_operators", "_outputs", "_tensors")

        def __init__(self, creation: frozenset[str]) -> None:
            self._creation, self._operators = creation, ()
            self._inputs, self._layers, self._outputs, self._tensors = [], [], [], {}

        num_inputs = property(lambda self: len(self._inputs))
        num_outputs = property(lambda self: len(self._outputs))
        num_layers = property(lambda self: len(self._layers))

        def get_input(self, number: int) -> Any:
            return self._inputs[number]

        def get_output(self, number: int) -> Any:
            return self._outputs[number]

        def get_layer(self, number: int) -> Any:
            return self._layers[number]

    class OnnxParser:
        __slots__ = ("_errors", "_network", "logger")

        def __init__(self, network: Any, logger: Any) -> None:
            self._network, self.logger, self._errors = network, logger, []

        num_errors = property(lambda self: len(self._errors))

        def get_error(self, number: int) -> Any:
            return self._errors[number]

        def parse(self, content: bytes) -> bool:
            # What is tried and fails is logged too, as the library's parser does.
            self._errors = _parse(trt, self._network, onnx.load_model_from_string(content))
            for error in self._errors:
                self.logger.log(trt.ILogger.Severity.ERROR, error.desc())
            return not self._errors

    return ILogger, ITensor, ILayer, IConstantLayer, INetworkDefinition, OnnxParser


def _error(node: int, text: str) -> Any:
    return SimpleNamespace(node=lambda: node, desc=lambda: text)


def _parse(trt: Any, network: Any, model: Any) -> list[Any]:
    """Fills the network as the library's parser does: Gemm comes apart, and constants get names of the parser's."""
    kinds = trt.NetworkDefinitionCreationFlag
    if hasattr(kinds, "EXPLICIT_BATCH") and trt.__version__.startswith("8") and not network._creation & {kinds(0).name}:
        return [_error(-1, "This version of the ONNX parser only supports networks with an explicit batch dimension")]
    graph = onnx.shape_inference.infer_shapes(model).graph
    known = {one.name: one.type.tensor_type for one in (*graph.input, *graph.value_info, *graph.output)}
    weights = {one.name: numpy_helper.to_array(one) for one in graph.initializer}
    tensors = network._tensors

    def tensor(name: str) -> Any:
        if name not in tensors:
            form = known.get(name)
            kind = "FLOAT" if form is None else _ELEMENTS[form.elem_type]
            if kind == "INT64" and not hasattr(trt, "int64"):
                kind = "INT32"  # the parser casts down
            dims = () if form is None else tuple(dim.dim_value or -1 for dim in form.shape.dim)
            tensors[name] = trt.ITensor(name, trt.DataType[kind], dims)
        return tensors[name]

    def add(name: str, kind: str, inputs: list[Any], output: Any, weights: Any = None) -> Any:
        network._layers.append(trt.ILayer(name, kind, inputs, [output], weights))
        return output

    def unnamed(kind: str, like: Any, inputs: list[Any], weights: Any = None) -> Any:
        name = f"(Unnamed Layer* {len(network._layers)}) [{kind.capitalize()}]"
        made = trt.ITensor(f"{name}_output", like.dtype, like.shape)
        tensors[made.name] = made
        return add(name, kind, inputs, made, weights)

    network._operators = tuple(node.op_type for node in graph.node)
    network._inputs += [tensor(one.name) for one in graph.input if one.name not in weights]
    plugins = {creator.name for creator in trt.creators}
    for number, node in enumerate(graph.node):
        if not onnx.defs.has(node.op_type) and node.op_type not in plugins:
            return [_error(number, f"Plugin not found, are the plugin name and version correct? {node.op_type}")]
        forms = [known[name].elem_type for name in (*node.input, *node.output) if name in known]
        if onnx.TensorProto.BFLOAT16 in forms and not hasattr(trt.DataType, "BF16"):
            return [_error(number, "Unsupported ONNX data type: BFLOAT16")]
        inputs = [tensor(name) for name in node.input if name and name not in weights]
        output = tensor(node.output[0])
        if node.op_type == "Gemm":
            inputs += [unnamed("CONSTANT", output, [], weights[name]) for name in node.input[1:2] if name in weights]
            product = unnamed("MATRIX_MULTIPLY", output, inputs)
            bias = unnamed("CONSTANT", output, [], weights[node.input[2]])
            add(node.name, "ELEMENTWISE", [product, unnamed("SHUFFLE", output, [bias])], output)
        else:
            add(node.name, _KINDS.get(node.op_type, "PLUGIN_V2"), inputs, output)
    network._outputs += [tensor(one.name) for one in graph.output]
    return []


def _build_classes(trt: Any) -> tuple[type, ...]:
    class IOptimizationProfile:
        __slots__ = ("_shapes",)

        def __init__(self) -> None:
            self._shapes: dict[str, tuple[tuple[int, ...], ...]] = {}

        def set_shape(self, input: str, min: Any, opt: Any, max: Any) -> None:
            self._shapes[input] = (tuple(min), tuple(opt), tuple(max))

    class ITimingCache:
        __slots__ = ("_content",)

        def __init__(self, content: bytes) -> None:
            self._content = content

        def serialize(self) -> memoryview:
            return memoryview(self._content)

    class IProgressMonitor:
        def __init__(self) -> None:
            pass

    class IBuilderConfig:
        __slots__ = (
            "DLA_core",
            "_flags",
            "_pools",
            "_profiles",
            "_sources",
            "_timing",
            "builder_optimization_level",
            "default_device_type",
            "profiling_verbosity",
            "progress_monitor",
        )

        def __init__(self) -> None:
            self._flags, self._pools, self._profiles, self._sources, self._timing = set(), {}, [], None, None
            self.DLA_core, self.default_device_type = -1, trt.DeviceType.GPU
            self.builder_optimization_level = 3
            self.profiling_verbosity = trt.ProfilingVerbosity.LAYER_NAMES_ONLY

        def set_flag(self, flag: Any) -> None:
            assert isinstance(flag, trt.BuilderFlag)
            self._flags.add(flag.name)

        def set_memory_pool_limit(self, pool: Any, pool_size: int) -> None:
            self._pools[pool] = pool_size

        def set_tactic_sources(self, tactic_sources: int) -> bool:
            if trt.refuse_sources:
                return False
            self._sources = _names(trt.TacticSource, tactic_sources)
            return True

        def add_optimization_profile(self, profile: Any) -> int:
            if trt.refuse_profiles:
                return -1
            self._profiles.append(profile)
            return len(self._profiles) - 1

        def create_timing_cache(self, serialized_timing_cache: bytes) -> Any:
            return trt.ITimingCache(serialized_timing_cache)

        def set_timing_cache(self, cache: Any, ignore_mismatch: bool) -> bool:
            self._timing = cache
            return True

    class Builder:
        __slots__ = ("logger",)

        def __init__(self, logger: Any) -> None:
            if trt.refuse_builders:
                raise TypeError("pybind11::init(): factory function returned nullptr")
            self.logger = logger

        num_DLA_cores = property(lambda self: trt.dla_cores)

        def create_network(self, flags: int = 0) -> Any:
            return trt.INetworkDefinition(_names(trt.NetworkDefinitionCreationFlag, flags))

        def create_builder_config(self) -> Any:
            return trt.IBuilderConfig()

        def create_optimization_profile(self) -> Any:
            return trt.IOptimizationProfile()

        def build_serialized_network(self, network: Any, config: Any) -> memoryview | None:
            build = _asked(trt, network, config)
            trt.builds.append(build)
            _tell(getattr(config, "progress_monitor", None))
            refusal = _fault(trt, build) or trt.refuse(build)
            if refusal is not None:
                for text in filter(None, [refusal]):
                    self.logger.log(trt.ILogger.Severity.ERROR, text)
                return None
            if config._timing is not None:
                config._timing._content += b"timed;"
            layers = [{"Name": layer.name, "LayerType": layer.type.name} for layer in network._layers]
            plan = {"version_compatible": "VERSION_COMPATIBLE" in build.flags, "layers": layers}
            return memoryview(json.dumps(plan).encode())

    return IOptimizationProfile, ITimingCache, IProgressMonitor, IBuilderConfig, Builder


def _asked(trt: Any, network: Any, config: Any) -> Build:
    def form(tensors: list[Any]) -> dict[str, Tensor]:
        return {
            one.name: Tensor(one.dtype.name, _names(trt.TensorFormat, one.allowed_formats), tuple(one.shape))
            for one in tensors
        }

    ends = {name: one._range for name, one in network._tensors.items() if one._range is not None}
    return Build(
        flags=frozenset(config._flags),
        creation=network._creation,
        inputs=form(network._inputs),
        outputs=form(network._outputs),
        ranges=ends,
        tensors={name: one.dtype.name for name, one in network._tensors.items()},
        operators=network._operators,
        profiles=tuple(profile._shapes for profile in config._profiles),
        workspace=config._pools.get(trt.MemoryPoolType.WORKSPACE),
        level=config.builder_optimization_level,
        sources=config._sources,
        device=config.default_device_type.name,
        dla_core=config.DLA_core,
        verbosity=config.profiling_verbosity.name,
        timings=None if config._timing is None else bytes(config._timing._content),
        libraries=tuple(trt.get_plugin_registry()._libraries),
    )


def _fault(trt: Any, build: Build) -> str | None:
    """What the library refuses by itself."""
    precisions = build.flags & {"FP16", "BF16", "INT8", "FP8"}
    if "STRONGLY_TYPED" in build.creation and precisions:
        return f"Precision flags are set on a strongly typed network: {', '.join(sorted(precisions))}"
    if "STRONGLY_TYPED" in build.creation and build.ranges:
        return "Dynamic ranges are set on a strongly typed network"
    if build.ranges and "INT8" not in build.flags:
        return "Int8 precision has been set for a layer or layer output, but int8 is not configured in the builder"
    quantised = "QuantizeLinear" in build.operators or "DequantizeLinear" in build.operators
    for name, one in build.inputs.items():
        if one.dtype == "INT8" and name not in build.ranges and not quantised:
            return f"Input {name} is int8 and has no dynamic range"
        if any(-1 in one.shape and name not in profile for profile in (build.profiles or ({},))):
            return f"Network has dynamic input {name}, but no optimization profile has been defined for it"
    if build.device == "DLA" and build.dla_core >= trt.dla_cores:
        return "Default DLA is enabled, but there are no DLA cores on this device"
    if build.device == "DLA" and not precisions and hasattr(trt.BuilderFlag, "FP16"):
        return "Default DLA is enabled but layer conv1 is not supported on DLA in fp32"
    return None


def _tell(monitor: Any) -> None:
    """Phases as the library tells them: one within another, of the same name again and again."""
    if monitor is None:
        return
    monitor.phase_start("Building engine", None, 6)
    for step in range(6):
        monitor.phase_start("Timing tactics", "Building engine", 3)
        for tactic in range(3):
            assert monitor.step_complete("Timing tactics", tactic) is True
        monitor.phase_finish("Timing tactics")
        assert monitor.step_complete("Building engine", step) is True
    monitor.phase_finish("Building engine")


def _runtime_classes(trt: Any) -> tuple[type, ...]:
    class EngineInspector:
        __slots__ = ("_layers",)

        def __init__(self, layers: list[Any]) -> None:
            self._layers = layers

        def get_layer_information(self, layer_index: int, format: Any) -> str:
            layer = self._layers[layer_index]
            return json.dumps(layer) if format == trt.LayerInformationFormat.JSON else layer["Name"]

    class ICudaEngine:
        __slots__ = ("_layers",)

        def __init__(self, layers: list[Any]) -> None:
            self._layers = layers

        num_layers = property(lambda self: len(self._layers))
        device_memory_size = property(lambda self: 4096)
        device_memory_size_v2 = property(lambda self: 4096)

        def get_engine_stat(self, stat: Any) -> int:
            return 1024

        def create_engine_inspector(self) -> Any:
            return trt.EngineInspector(self._layers)

    class Runtime:
        __slots__ = ("DLA_core", "engine_host_code_allowed", "logger")

        def __init__(self, logger: Any) -> None:
            self.logger, self.engine_host_code_allowed, self.DLA_core = logger, False, -1

        num_DLA_cores = property(lambda self: trt.dla_cores)

        def deserialize_cuda_engine(self, serialized_engine: bytes) -> Any:
            plan = json.loads(bytes(serialized_engine))
            if plan["version_compatible"] and not self.engine_host_code_allowed:
                said = "Cannot deserialize engine with lean runtime: host code is not allowed"
                self.logger.log(trt.ILogger.Severity.ERROR, said)
                return None
            trt.loads.append(self.DLA_core)
            return trt.ICudaEngine(plan["layers"])

    class IPluginRegistry:
        __slots__ = ("_libraries",)

        def __init__(self, libraries: list[str]) -> None:
            self._libraries = libraries

        plugin_creator_list = property(lambda self: trt.creators)
        all_creators = property(lambda self: trt.creators)

        def load_library(self, plugin_path: str) -> object | None:
            if not Path(plugin_path).read_bytes().startswith(b"\x7fELF"):
                return None
            self._libraries.append(plugin_path)
            return object()

    return EngineInspector, ICudaEngine, Runtime, IPluginRegistry

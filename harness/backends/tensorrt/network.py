"""From an ONNX graph to the library's network and build configuration: number formats, ranges, formats, profiles.

Libraries with precision flags choose formats layer by layer, by calibrated ranges; others read them from the graph.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import attrs

from harness.backends.tensorrt import graph, number_format, qdq
from harness.backends.tensorrt.calibration import STEPS, CalibrationCache
from harness.backends.tensorrt.library import Library
from harness.backends.tensorrt.record import Format
from mlperf_registry.schema.problem import ConfigError, Problem, RunFailed

_INPUT_DTYPES = ("fp32", "fp16", "int8", "uint8", "int32", "int64")
_FORMATS: dict[Format, str] = {"linear": "LINEAR", "chw4": "CHW4", "chw32": "CHW32"}
_DTYPES = {"FLOAT": "fp32", "HALF": "fp16"}
"""The library's name of a number format to that of ``builder.input_dtype``, where it is not the same in capitals."""
_INDICES = ("INT32", "INT64", "BOOL")
"""Formats of inputs that choose, count or mask: beside inputs of real numbers they are as the graph has them."""
_KEEPS_RANGE = ("SHUFFLE", "IDENTITY", "POOLING", "SLICE", "CONCATENATION")
"""Layers whose output is within the range of their input."""


@attrs.frozen(kw_only=True)
class Request:
    """What is asked of an engine of one component."""

    precision: str
    batch: int
    """Most samples of one execution."""
    static_batch: bool
    profiles: int
    input_dtype: str | None
    input_format: Format
    output_name: str | None
    strongly_typed: bool

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Request:
        """From a recipe's values.

        Raises:
            ConfigError: for what this builder does not build, every problem at once.
        """
        problems: list[Problem] = []
        on_dla = values.get("builder.dla_core") is not None
        size = "builder.dla_batch_size" if on_dla else "builder.gpu_batch_size"
        batch = _single(values.get(size), size, problems)
        precision = _single(values.get("builder.precision") or "fp32", "builder.precision", problems)
        dtype = values.get("builder.input_dtype")
        layout: Format = values.get("builder.input_format") or "linear"
        if dtype == "int8" and precision != "int8":
            message = f"is int8, and an engine of builder.precision={precision} has no int8 input"
            problems.append(Problem("builder.input_dtype", message, hint="builder.precision=int8"))
        if layout not in _FORMATS:
            message = f"is {layout}, and this builder makes inputs of {', '.join(_FORMATS)}"
            problems.append(Problem("builder.input_format", message))
        elif layout != "linear" and dtype != "int8":
            message = f"is {layout}, which is a layout of int8 inputs"
            problems.append(Problem("builder.input_format", message, hint="builder.input_dtype=int8"))
        if problems:
            raise ConfigError(problems)
        return cls(
            precision=str(precision),
            batch=int(batch),
            static_batch=bool(values.get("builder.static_batch")) or on_dla,
            profiles=int(values.get("runtime.gpu_inference_streams") or 1),
            input_dtype=dtype,
            input_format=layout,
            output_name=values.get("model.output_name"),
            strongly_typed=bool(values.get("builder.strongly_typed")),
        )


def _single(value: Any, path: str, problems: list[Problem]) -> Any:
    """The value of a benchmark of one engine; 0 with a problem otherwise."""
    values = set(value.values()) if isinstance(value, Mapping) else {value}
    if len(values) == 1 and (found := next(iter(values))) is not None:
        return found
    several = "differs from engine to engine, and this builder makes benchmarks of one engine"
    problems.append(Problem(path, "is not set" if values == {None} or not values else several, hint=f"{path}=N"))
    return 0


@attrs.frozen(kw_only=True)
class Form:
    """How an engine's number formats come about."""

    model: Any
    """The ONNX graph to parse."""
    typed: bool
    """Whether the graph's formats alone count."""
    flags: tuple[str, ...] = ()
    """Of the library's BuilderFlag."""
    scales: Mapping[str, float] | None = None
    """Tensor to real value of one int8 step: in the graph where it is typed, else to be set as ranges; None where no
    calibration cache says them."""


def prepare(model: Any, request: Request, library: Library, cache: CalibrationCache | None) -> Form:
    """The graph as ``library`` takes it, and the flags to build it with.

    Args:
        model: from ``graph.load``; changed in place.
        request: what is asked.
        library: who parses and builds.
        cache: ranges; needed for int8 where the graph has no Q/DQ nodes.

    Raises:
        ConfigError: when the library has no such precision, the graph's own Q/DQ nodes are of another, shift by a zero
            point, or are needed and absent, or an int8 input has no range.
    """
    quantised, formats = qdq.is_quantised(model), qdq.quantised_formats(model)
    graph.keep_output(model, request.output_name)
    graph.set_batch(model, request.batch if request.static_batch else None)
    typed = request.strongly_typed or not library.features.precision_flags
    if typed and not library.features.strongly_typed_flag:
        message = f"asks for a network whose graph alone says number formats, which {library.title} does not have"
        raise ConfigError([Problem("builder.strongly_typed", message, hint="builder.strongly_typed=false")])
    if hasattr(library.trt, "int64"):
        number_format.narrow_labels(model)
    flags = () if typed else _flags(request.precision, library)
    _require_formats(request.precision, formats, library)
    if quantised:
        _require_symmetric(model, library)
        qdq.dequantise_biases(model)
    scales = None if request.precision != "int8" or quantised else _scales(model, request, cache)
    if not typed:
        return Form(model=model, typed=False, flags=flags, scales=scales)
    if scales is not None:
        scales = qdq.steps(scales)
        model = qdq.quantise(model, scales, int8_input=request.input_dtype == "int8")
    narrow: dict[str, Literal["fp16", "bf16"]] = {"fp16": "fp16", "bf16": "bf16", "int8": "fp16"}
    if request.precision in narrow and not (quantised and request.precision == "int8"):
        takes_it = narrow[request.precision] == request.input_dtype
        model = number_format.cast(model, narrow[request.precision], cast_inputs=not takes_it)
    if request.input_dtype == "fp16":
        number_format.take_half(model)
    return Form(model=model, typed=True, scales=scales)


def _scales(model: Any, request: Request, cache: CalibrationCache | None) -> Mapping[str, float]:
    assert cache is not None
    if request.input_dtype == "int8":
        for name in graph.float_inputs(model):
            if name not in cache.scales:
                message = f"is int8, and the calibration cache has no range for {name}"
                raise ConfigError([Problem("builder.input_dtype", message, hint="`mlperf calibrate` makes one")])
    return cache.scales


def _require_formats(precision: str, formats: tuple[str, ...], library: Library) -> None:
    """Check that the graph's own Q/DQ nodes are of the precision, so that the engine is what its record says."""
    if formats and precision not in formats:
        message = f"is {precision}, and the network's own Q/DQ nodes are {' and '.join(formats)}"
        raise ConfigError([Problem("builder.precision", message, hint=f"builder.precision={formats[0]}")])
    if precision in ("fp8", "fp4") and not formats:
        message = f"is {precision}, for which {library.title} needs a graph with Q/DQ nodes: quantise it first"
        raise ConfigError([Problem("builder.precision", message, hint="model.path=QUANTISED.onnx")])


def _require_symmetric(model: Any, library: Library) -> None:
    shifted = qdq.zero_points(model)
    if shifted:
        message = (
            f"quantises {shifted[0]} with a zero point other than 0, which {library.title} does not take: quantise to "
            "int8 with symmetric ranges"
        )
        hint = 'onnxruntime: quantize_static(..., extra_options={"ActivationSymmetric": True})'
        raise ConfigError([Problem("model.path", message, hint=hint)])


def _flags(precision: str, library: Library) -> tuple[str, ...]:
    wanted = {"fp32": (), "fp16": ("FP16",), "bf16": ("BF16",), "int8": ("INT8", "FP16"), "fp8": ("FP8", "FP16")}
    flags = wanted.get(precision)
    if flags is None or not all(hasattr(library.trt.BuilderFlag, flag) for flag in flags):
        message = f"is {precision}, which {library.title} does not have"
        raise ConfigError([Problem("builder.precision", message, hint="builder.precision=fp16")])
    return flags


def parse(library: Library, builder: Any, form: Form, origin: str) -> tuple[Any, Any]:
    """The library's network, and the parser, which owns its weights and must outlive the build.

    Raises:
        RunFailed: with the parser's errors and the nodes that they are about.
    """
    trt = library.trt
    creation = trt.NetworkDefinitionCreationFlag
    asked = 0
    if library.features.explicit_batch_flag:
        asked |= 1 << int(creation.EXPLICIT_BATCH)
    if form.typed:
        asked |= 1 << int(creation.STRONGLY_TYPED)
    network = builder.create_network(asked)
    if network is None:
        raise library.failed("makes no network")
    parser = trt.OnnxParser(network, library.logger)
    if not parser.parse(form.model.SerializeToString()):
        said = "; ".join(_sentence(parser.get_error(number), form.model) for number in range(parser.num_errors))
        library.logger.take_errors()
        raise RunFailed(f"{library.title} does not parse {origin}: {said or 'the parser does not say why'}")
    return network, parser


def _sentence(error: Any, model: Any) -> str:
    number = error.node()
    nodes = model.graph.node
    if not 0 <= number < len(nodes):
        return str(error.desc())
    node = nodes[number]
    return f"node {number}, {node.op_type} {node.name or node.output[0]!r}: {error.desc()}"


def set_tensors(library: Library, network: Any, request: Request, form: Form) -> None:
    """Give inputs their format and layout, and tensors their ranges.

    Raises:
        ConfigError: when an input cannot have the format that is asked for.
    """
    trt = library.trt
    if form.scales is not None and not form.typed:
        _set_ranges(trt, network, form.scales)
    inputs = [network.get_input(number) for number in range(network.num_inputs)]
    for tensor in inputs:
        if tensor.dtype == trt.float32 and not form.typed:
            if request.input_dtype == "fp16":
                tensor.dtype = trt.float16
            elif request.input_dtype == "int8" and form.scales is not None:
                tensor.dtype = trt.int8
        tensor.allowed_formats = 1 << int(getattr(trt.TensorFormat, _FORMATS[request.input_format]))
    if request.input_dtype is not None:
        _require_dtype(inputs, request.input_dtype)
    for number in range(network.num_outputs):
        network.get_output(number).allowed_formats = 1 << int(trt.TensorFormat.LINEAR)


def _require_dtype(inputs: list[Any], wanted: str) -> None:
    """Check that inputs of real numbers, or all where none is, are of the format: the engine is what its key says."""
    found = {tensor.name: str(tensor.dtype.name) for tensor in inputs}
    real = {name: dtype for name, dtype in found.items() if dtype not in _INDICES} or found
    for name, dtype in real.items():
        is_there = _DTYPES.get(dtype, dtype.lower())
        if is_there != wanted:
            message = f"is {wanted}, and the network takes {name} in {is_there}"
            hint = f"builder.input_dtype={is_there}" if is_there in _INPUT_DTYPES else "leave it out"
            raise ConfigError([Problem("builder.input_dtype", message, hint=hint)])


def _set_ranges(trt: Any, network: Any, scales: Mapping[str, float]) -> None:
    """Ranges of all tensors that the cache names, of constants, and of what only reshapes another tensor."""
    for number in range(network.num_inputs):
        _set_range(trt, network.get_input(number), scales.get(network.get_input(number).name))
    for number in range(network.num_layers):
        layer = network.get_layer(number)
        for place in range(layer.num_outputs):
            tensor = layer.get_output(place)
            scale = scales.get(tensor.name)
            if scale is None and layer.type == trt.LayerType.CONSTANT:
                layer.__class__ = trt.IConstantLayer  # the bindings hand out every layer as its base
                scale = float(abs(layer.weights).max()) / STEPS if tensor.dtype == trt.float32 else None
            elif scale is None and layer.type.name in _KEEPS_RANGE:
                source = layer.get_input(0)
                reach = source.dynamic_range if source is not None else None
                scale = None if reach is None else reach[1] / STEPS
            _set_range(trt, tensor, scale)


def _set_range(trt: Any, tensor: Any, scale: float | None) -> None:
    if scale and tensor.dtype in (trt.float32, trt.float16) and not tensor.is_shape_tensor:
        tensor.dynamic_range = (-scale * STEPS, scale * STEPS)


def add_profiles(library: Library, builder: Any, network: Any, config: Any, request: Request) -> None:
    """One optimisation profile for each context: 1 to ``batch`` samples, best at ``batch``.

    Raises:
        RunFailed: when the library refuses one.
    """
    for _ in range(request.profiles):
        profile = builder.create_optimization_profile()
        for number in range(network.num_inputs):
            tensor = network.get_input(number)
            rest = tuple(tensor.shape)[1:]
            least = request.batch if request.static_batch else 1
            profile.set_shape(tensor.name, (least, *rest), (request.batch, *rest), (request.batch, *rest))
        if config.add_optimization_profile(profile) < 0:
            raise library.failed("refuses an optimisation profile")

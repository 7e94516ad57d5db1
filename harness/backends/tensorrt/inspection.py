"""What a plan consists of, layer by layer: number formats, memory layouts, fusions and tactics.

Read when the plan is built and kept beside it, so that looking needs neither the library nor a GPU.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from harness.backends.tensorrt.library import Library
from harness.backends.tensorrt.plan import activation_bytes, make_runtime
from harness.backends.tensorrt.record import PlanRecord, read_record_in
from mlperf_registry.atomic import write_json
from mlperf_registry.schema.engine import Engine, Inspection, Layer
from mlperf_registry.schema.problem import ConfigError, NotReady
from mlperf_registry.structure import structure, unstructure

INSPECTION_FILE = "layers.json"

log = logging.getLogger("mlperf.tensorrt")


def write_inspection(library: Library, plan: bytes, folder: Path) -> None:
    """Write layers.json beside the plan's record, which says how the plan is loaded.

    A plan that tells nothing of itself is a plan all the same.
    """
    # Only on its GPU can a plan be loaded; those for absent GPUs hold a text of their steps.
    if library.features.compute_capability:
        found = read_steps(plan)
    else:
        found = _ask_inspector(library, plan, read_record_in(folder))
    if found is None:
        log.warning("The plan does not say what it consists of.")
    else:
        write_json(folder / INSPECTION_FILE, unstructure(found))


def read_inspection(engine: Engine) -> Inspection:
    """What an engine consists of.

    Raises:
        NotReady: when its builder could not tell.
    """
    path = Path(engine.path, INSPECTION_FILE)
    try:
        return structure(Inspection, json.loads(path.read_text(encoding="utf-8")), canonical=True)
    except (OSError, ValueError, ConfigError) as error:
        raise NotReady(
            f"{path} is not readable ({error}): the library did not say what the engine consists of, or the file is "
            "damaged. builder.force_build_engines=true builds again."
        ) from error


def _ask_inspector(library: Library, plan: bytes, record: PlanRecord) -> Inspection | None:
    trt = library.trt
    runtime = make_runtime(library, record)
    engine = runtime.deserialize_cuda_engine(plan)
    if engine is None:
        log.warning("%s", library.failed("cannot load the plan that it built"))
        return None
    inspector = engine.create_engine_inspector()
    said = [
        inspector.get_layer_information(number, trt.LayerInformationFormat.JSON) for number in range(engine.num_layers)
    ]
    layers = read_layers(said)
    if not layers:
        return None
    return Inspection(layers=layers, activation_bytes=activation_bytes(engine), weight_bytes=_weight_bytes(trt, engine))


def _weight_bytes(trt: Any, engine: Any) -> int | None:
    # Later versions of 10 count them; with those before only the plan's size is known, which holds more than weights.
    if not hasattr(engine, "get_engine_stat") or not hasattr(trt, "EngineStat"):
        log.info("This version of the library does not say how much memory the weights take.")
        return None
    size = int(engine.get_engine_stat(trt.EngineStat.TOTAL_WEIGHTS_SIZE))
    return size if size >= 0 else None


def read_layers(said: Iterable[str]) -> tuple[Layer, ...]:
    """From what the library's inspector says of each layer.

    Layer by layer, since what TensorRT 8.6 says of an engine with plug-ins, as a whole, cannot be read as JSON.
    """
    return tuple(map(_said, said))


def _said(text: str) -> Layer:
    try:
        one = json.loads(text, strict=False)
    except ValueError:
        log.info("What the library says of a layer is no JSON: %s", text)
        one = dict(re.findall(r'"(Name|LayerType|ParameterType|Metadata)"\s*:\s*"([^"]*)"', text)) or text.strip()
    return _layer(one)


def _layer(one: Any) -> Layer:
    if not isinstance(one, dict):  # an engine without details gives names alone
        return Layer(name=str(one), kind="unknown")
    made_of = re.findall(r"\[ONNX Layer: ([^\]]*)\]", one.get("Metadata") or "")
    return Layer(
        name=str(one.get("Name", "")),
        kind=str(one.get("ParameterType") or one.get("LayerType") or "unknown"),
        inputs=_formats(one.get("Inputs") or ()),
        outputs=_formats(one.get("Outputs") or ()),
        made_of=tuple(made_of) or tuple(part.strip() for part in str(one.get("Name", "")).split("+")),
        tactic=one.get("TacticName") or one.get("TacticValue") or None,
    )


def _formats(tensors: Iterable[Any]) -> tuple[str, ...]:
    return tuple(str(one.get("Format/Datatype", "unknown")) if isinstance(one, dict) else "unknown" for one in tensors)


_STEP = re.compile(r"^  (\w+)=\{ name=\"?([^\" ]+)\"?(.*?)(?=^  \w+=\{|^\}|\Z)", re.M | re.S)
_TENSOR = re.compile(r"^  (?:sub_)?tensor=\{(.*)\}\s*$", re.M)
_REGION = re.compile(r"^  region = \{(.*)\}\s*$", re.M)
_LAYOUTS: dict[tuple[int, ...], str] = {(3, 0, 2, 1): "NHWC", (3, 2, 1, 0): "NCHW"}
"""By ``stride_order``: of batch, channels, height and width, how far each is from being the innermost."""
_BOOKKEEPING = ("shape_call", "memset", "signal", "wait")


def read_steps(plan: bytes) -> Inspection | None:
    """From the text that a plan of TensorRT for RTX holds; None where there is none.

    The text is for NVIDIA's own eyes and may change: what is not found is left out.
    """
    text = plan.decode("latin-1")
    parts = list(re.finditer(r"^main \{(.*?)^\}", text, re.M | re.S))
    if not parts:
        return None
    # One graph for each profile, alike but for the batch: the first stands for all.
    main = parts[0]
    before = text[max(text.rfind("\nheader {", 0, main.start()), 0) : main.start()]
    tensors = dict(filter(None, map(_tensor, _TENSOR.findall(before))))
    regions = _REGION.findall(before)
    layers = tuple(
        _step(kind, name, body, tensors) for kind, name, body in _STEP.findall(main[1]) if kind not in _BOOKKEEPING
    )
    return Inspection(
        layers=layers,
        activation_bytes=sum(_size(one) for one in regions if "name=devmem" in one) or None,
        weight_bytes=sum(int(size) for size in re.findall(r" const_payload_size=(\d+)", before)) or None,
    )


def _size(region: str) -> int:
    found = re.search(r"size=(\d+)", region)
    return int(found[1]) if found else 0


def _tensor(body: str) -> tuple[str, str | None] | None:
    """Name and format of a tensor; no format for weights and scratch memory."""
    name, kind = re.search(r' name="([^"]*)"', body), re.search(r" type=(\w+)", body)
    if name is None or kind is None:
        return None
    if "const_payload" in body or "is_scratchspace" in body or "hmem" in body:
        return name[1], None
    order = re.search(r"stride_order=\{ ([\d ]+)\}", body)
    axes = tuple(int(one) for one in order[1].split()) if order else ()
    layout = _LAYOUTS.get(axes)
    return name[1], kind[1] if layout is None else f"{kind[1]} {layout}"


def _step(kind: str, name: str, body: str, tensors: dict[str, str | None]) -> Layer:
    # A kernel that was made for the graph says what it does in its own name: __myl_AddRelu.
    generated = name.removeprefix("__myl_") if kind == "function" else None
    fused = [word for word in ("relu", "accu", "bias", "quantize") if f" {word}=true" in body]
    return Layer(
        name=name,
        kind=generated or "+".join([_KINDS.get(kind, kind), *fused]),
        inputs=_named(body, ("input_args", "input"), tensors),
        outputs=_named(body, ("output_args", "output"), tensors),
        made_of=tuple(re.findall(r"\[ONNX Layer: ([^\]]*)\]", body)),
    )


_KINDS = {"corrltn": "convolution", "fully_connected": "gemm"}


def _named(body: str, keys: tuple[str, ...], tensors: dict[str, str | None]) -> tuple[str, ...]:
    for key in keys:
        found = re.search(rf" {key}=\{{([^}}]*)\}}", body)
        if found:
            names = re.findall(r'"([^"]*)"', found[1])
            return tuple(form for name in names if (form := tensors.get(name)) is not None)
    return ()

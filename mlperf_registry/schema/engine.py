"""Recipe and Engine: what a builder is given, and what it leaves in the engine cache; Inspection: what is in there."""

from __future__ import annotations

from typing import Any

import attrs

from mlperf_registry.schema.knob import knob


@attrs.frozen(kw_only=True)
class Recipe:
    """Everything that a builder may read. What is not in here cannot change the engine, and all of it is in the key."""

    backend: str = knob("Registered alias of the engine library.")
    library_version: str = knob("Version of the engine library.")
    builder: str = knob("module:attribute of the builder class.")
    builder_version: int = knob("The builder's own version; raised when its output changes.")
    device: str = knob("Name and compute capability of the device built for; cpu architecture on a CPU.")
    gpu_index: int = knob(
        "CUDA's index of the GPU to build on, one such as the device; not in the key, since equal ones build the same.",
        default=0,
    )
    model_path: str = knob("Absolute path of the model, empty where there is none; not in the key, its digest is.")
    model_sha256: str = knob("Digest of the model's file or folder; none where there is no model.")
    values: dict[str, Any] = knob("Workload path to value, exactly the paths that the backend declares to read.")
    calibration_path: str | None = knob(
        "Absolute path of the INT8 calibration cache; not in the key, its digest is.", default=None
    )
    calibration_sha256: str | None = knob("Digest of that cache.", default=None)
    plugin_sha256: tuple[str, ...] = knob(
        "Digests of builder.plugin_libraries, in its order, if the builder reads it; in the key where there are any.",
        default=(),
    )
    at_default: tuple[str, ...] = knob("Paths whose value is the field's default; left out of the key.", default=())


@attrs.frozen(kw_only=True)
class Engine:
    """What a runner opens."""

    key: str = knob("Hex digest of the recipe.")
    path: str = knob("Absolute folder of the engine.")
    file: str = knob("Engine file inside the folder.")
    sha256: str = knob("Digest of the engine file when it was built.")
    reused: bool = knob("Whether the cache already had it.")
    why: str = knob("Why it was reused or built, as a sentence.")


@attrs.frozen(kw_only=True)
class Layer:
    """One step of an engine: a kernel, and the layers of the network that went into it."""

    name: str = knob("The library's name of it.")
    kind: str = knob("Kind of layer or kernel.")
    inputs: tuple[str, ...] = knob("Number format and memory layout of each input, less weights.", default=())
    outputs: tuple[str, ...] = knob("Number format and memory layout of each output.", default=())
    made_of: tuple[str, ...] = knob("Nodes of the network that it does, where the library says them.", default=())
    tactic: str | None = knob("Kernel that was chosen; absent: chosen on the GPU, or not said.", default=None)


@attrs.frozen(kw_only=True)
class Inspection:
    """What an engine consists of."""

    layers: tuple[Layer, ...] = knob("In the order of execution.")
    activation_bytes: int | None = knob("Device memory of one execution context.", unit="B", default=None)
    weight_bytes: int | None = knob("Device memory of the weights.", unit="B", default=None)

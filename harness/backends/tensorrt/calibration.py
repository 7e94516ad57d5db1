"""INT8 calibration: the ranges of a network's activations, in the cache format of NVIDIA's calibrators.

Measured with ONNX Runtime in fp32, so that calibrating needs no GPU, and all engine libraries are given the same.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import numpy.typing as npt

from harness.backends.onnxruntime.library import import_onnxruntime
from harness.backends.tensorrt import graph, qdq
from mlperf_registry.schema.problem import ConfigError, NotReady, Problem, RunFailed

Array = npt.NDArray[np.generic]
Batches = Iterable[Mapping[str, Array]]
"""Iterable twice: a pass for the ranges, and a pass for what lies in them."""

STEPS = 127
"""Of a symmetric int8 range, to each side."""
_HEADER = "TRT-8600-EntropyCalibration2"
_BINS = 2048
_FEWEST_BINS = 64
_ERRORS_ONLY = 3
_VALUES = 1 << 16
"""Of one tensor and sample, that are counted: more change no range."""


@attrs.frozen
class CalibrationCache:
    """Tensor to scale: the real value of one int8 step."""

    scales: dict[str, float]
    header: str = _HEADER
    without: tuple[str, ...] = ()
    """Tensors that the calibrator saw and gave no scale, as it does where all values are 0, or one is infinite: they
    have no range."""

    @classmethod
    def parse(cls, text: str, origin: str) -> CalibrationCache:
        """Read a cache, of this format since TensorRT 7: a line of ``name: hex digits of a big-endian float32`` each.

        Raises:
            ConfigError: for text that is no such cache.
        """
        lines = [(number, line.strip()) for number, line in enumerate(text.splitlines(), 1) if line.strip()]
        header = lines[0][1] if lines else ""
        if not header.startswith("TRT-") or len(lines) < 2:
            raise _wrong(f"{origin} is no INT8 calibration cache: its first line names no calibrator")
        scales, without = {}, []
        for number, line in lines[1:]:
            name, scale = _tensor_and_scale(line)
            if not name or scale is None:
                raise _wrong(
                    f"{origin} is no INT8 calibration cache: line {number}, {line!r}, is no tensor and its scale"
                )
            if scale == 0:
                without.append(name)
            elif scale > 0:
                scales[name] = scale
            else:
                raise _wrong(
                    f"{origin} has an impossible scale of {scale:.3g} for {name} in line {number}: scales are "
                    "positive, or 0 for no range"
                )
        return cls(scales, header, tuple(without))

    def text(self) -> str:
        """As NVIDIA's tools read it."""
        lines = [f"{name}: {struct.pack('>f', scale).hex()}" for name, scale in self.scales.items()]
        lines += [f"{name}: 0" for name in self.without]
        return "\n".join([self.header, *lines, ""])

    def require_network(self, model: Any, origin: str) -> None:
        """Check that the cache is of this network.

        Raises:
            ConfigError: naming tensors that it lacks, or has in excess.
        """
        there, needed = set(graph.activations(model)), qdq.quantised_inputs(model)
        known = {*self.scales, *self.without}
        missing = [name for name in needed if name not in known]
        # Layers that TensorRT's parser adds have such names; no graph has them.
        unknown = [name for name in self.scales if name not in there and not name.startswith("(Unnamed Layer")]
        if missing or (unknown and len(unknown) * 2 > len(self.scales)):
            said = [f"lacks {_some(missing)}"] if missing else []
            said += [f"has {_some(unknown)}, which the network does not"] if unknown else []
            raise _wrong(f"{origin} is the calibration cache of another network: it {' and '.join(said)}")


def _tensor_and_scale(line: str) -> tuple[str, float | None]:
    name, _, digits = line.rpartition(":")
    try:
        # TensorRT writes the number in hex, less zeros in front.
        (scale,) = struct.unpack(">f", bytes.fromhex(digits.strip().zfill(8)))
    except (ValueError, struct.error):
        return name.strip(), None
    return name.strip(), scale if digits.strip() and math.isfinite(scale) else None


def calibrate(model: Path, batches: Batches, tell: Callable[[str], None]) -> str | None:
    """The text of a calibration cache: each activation's range, with the least mean squared error.

    Args:
        model: ONNX network in fp32.
        batches: the calibration set, input name to samples [n, ...]; an only column is the only input's.
        tell: told how far it is, in sentences.

    Returns:
        None for a network that says itself where to quantise.

    Raises:
        ConfigError: when the set is empty.
        RunFailed: when the network cannot be executed.
    """
    if qdq.is_quantised(graph.load(model)):
        return None
    run = _observer(model)
    tops: dict[str, float] = {}
    samples = 0
    for batch in batches:
        samples += len(next(iter(batch.values())))
        for name, values in run(batch).items():
            tops[name] = max(tops.get(name, 0.0), float(max(values.max(initial=0.0), -values.min(initial=0.0))))
        tell(f"Calibrating: {samples} samples, ranges.")
    if not samples:
        raise ConfigError([Problem("builder.calib_data_dir", "has no samples to calibrate with")])
    counts = {name: np.zeros(_BINS, np.int64) for name, top in tops.items() if math.isfinite(top)}
    seen = 0
    for batch in batches:
        seen += len(next(iter(batch.values())))
        for name, values in run(batch).items():
            if name in counts:
                counts[name] += _histogram(values, tops[name])
        tell(f"Calibrating: {seen} of {samples} samples.")
    clips = {name: _least_error(counted) * tops[name] / _BINS for name, counted in counts.items()}
    without = tuple(name for name in tops if name not in counts)
    return CalibrationCache({name: (clip or 1.0) / STEPS for name, clip in clips.items()}, without=without).text()


def _observer(path: Path) -> Callable[[Mapping[str, Array]], dict[str, Array]]:
    """A function from inputs to every activation, inputs among them."""
    onnxruntime, onnx = import_onnxruntime(), graph.import_onnx()
    model = graph.load(path)
    names = graph.activations(model)
    inputs = [tensor.name for tensor in graph.inputs(model)]
    present = {tensor.name for tensor in model.graph.output}
    model.graph.output.extend(
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None)
        for name in names
        if name not in present and name not in inputs
    )
    options = onnxruntime.SessionOptions()
    options.log_severity_level = _ERRORS_ONLY
    fetched = [name for name in names if name not in inputs]
    try:
        session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime's exceptions share no public base class
        raise RunFailed(f"ONNX Runtime cannot load {path} to calibrate it: {error}") from error

    def run(batch: Mapping[str, Array]) -> dict[str, Array]:
        given = dict(zip(inputs, batch.values(), strict=True)) if len(inputs) == len(batch) == 1 else dict(batch)
        try:
            return {**given, **dict(zip(fetched, session.run(fetched, given), strict=True))}
        except Exception as error:
            raise RunFailed(f"ONNX Runtime does not execute {path} on the calibration set: {error}") from error

    return run


def _histogram(values: Array, top: float) -> npt.NDArray[np.int64]:
    """Counts of absolute values in bins from 0 to ``top``; exact zeros, of which ReLU makes many, are left out."""
    if top == 0.0:
        return np.zeros(_BINS, np.int64)
    step = max(1, values.size // (len(values) * _VALUES)) | 1  # odd, so that no row of an image is always missed
    some = values.reshape(-1)[::step]
    sizes = np.abs(some[some != 0])
    bins = np.minimum((sizes * np.float32(_BINS / top)).astype(np.int64), _BINS - 1)
    return np.bincount(bins, minlength=_BINS)


def _least_error(counts: npt.NDArray[np.int64]) -> int:
    """How many bins to keep, so that the mean squared error of quantising is least.

    Rounding errs by a twelfth of the step's square, clipping by the square of what is cut off. On small networks the
    entropy that TensorRT's own calibrator goes by clips more: resnet50-mini loses 1.7 points to it, and none to this.
    """
    if not counts.any():
        return _BINS
    centres = np.arange(_BINS) + 0.5
    kept = np.arange(_FEWEST_BINS, _BINS + 1)
    # Of all x beyond the clip c: sum of n (x - c)^2 = S2 - 2 c S1 + c^2 S0.
    s0, s1, s2 = (_beyond(counts * centres**power)[kept] for power in (0, 1, 2))
    rounding = (kept / STEPS) ** 2 / 12 * (counts.sum() - s0)
    return int(kept[(rounding + s2 - 2 * kept * s1 + kept**2 * s0).argmin()])


def _beyond(weights: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Sum of all bins from each one on, shape [bins + 1]."""
    return np.append(np.cumsum(weights[::-1])[::-1], 0.0)


def read_cache(path: str | None) -> CalibrationCache:
    """The cache of a recipe.

    Raises:
        NotReady: when there is none, or it cannot be read.
        ConfigError: when the file is no cache.
    """
    if path is None:
        raise NotReady("INT8 needs a calibration cache: make it with `mlperf calibrate` and the same overrides.")
    try:
        text = Path(path).read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise _wrong(f"{path} is no INT8 calibration cache: it is no text") from error
    except OSError as error:
        raise NotReady(
            f"The calibration cache {path} cannot be read ({error.strerror}): make it with `mlperf calibrate` and the "
            "same overrides, or name another with builder.cache_file."
        ) from error
    return CalibrationCache.parse(text, path)


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(names[:3])
    return shown if len(names) <= 3 else f"{shown} and {len(names) - 3} more"


def _wrong(message: str) -> ConfigError:
    hint = "`mlperf calibrate` with the same overrides makes one of this network"
    return ConfigError([Problem("builder.cache_file", message, hint=hint)])

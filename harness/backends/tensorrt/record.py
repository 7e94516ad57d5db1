"""plan.json: what a plan takes and gives, beside it in the engine's folder.

Readable without the library or a GPU: data sets prepare samples by it, and a plan that fits no more explains itself.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any, Literal

import attrs
import numpy as np
import numpy.typing as npt

from mlperf_registry.atomic import write_json
from mlperf_registry.schema.engine import Engine
from mlperf_registry.schema.knob import knob
from mlperf_registry.schema.problem import ConfigError, NotReady, RunFailed
from mlperf_registry.schema.sections.builder import batch_field
from mlperf_registry.structure import structure, unstructure

RECORD_FILE = "plan.json"
RECORD_SCHEMA = 1

Format = Literal["linear", "chw4", "chw32"]
LANES: dict[Format, int] = {"linear": 1, "chw4": 4, "chw32": 32}
"""Channels that lie side by side in memory; the count of channels is padded to a multiple."""


@attrs.frozen(kw_only=True)
class PlanTensor:
    """One input or output."""

    name: str = knob("Name of it.")
    is_input: bool = knob("Whether it is an input.")
    dtype: str = knob("Number format, as numpy names it.")
    format: Format = knob("Memory layout.", default="linear")
    shape: tuple[int, ...] = knob("Logical shape of one sample, less the batch, which comes first.")
    scale: float | None = knob("Of an int8 input: real value of one step.", default=None)

    @property
    def row_shape(self) -> tuple[int, ...]:
        """Shape of one sample in memory: [C, H, W], or [ceil(C / lanes), H, W, lanes] of a vectorised format."""
        lanes = LANES[self.format]
        return self.shape if lanes == 1 else (math.ceil(self.shape[0] / lanes), *self.shape[1:], lanes)

    @property
    def row_bytes(self) -> int:
        """Bytes of one sample in memory."""
        return math.prod(self.row_shape) * np.dtype(self.dtype).itemsize

    def rows(self, samples: npt.NDArray[np.generic]) -> npt.NDArray[np.generic]:
        """Samples as this input takes them.

        Args:
            samples: real values, shape [n, *shape].

        Returns:
            dtype of the input, shape [n, *row_shape]; the same array where nothing is to be done. Quantised as
            round-half-even and saturated, where the input is int8.

        Raises:
            RunFailed: when samples are not finite, or the input's integers cannot hold them, and no scale says what a
                step is worth.
        """
        samples = self._cast(samples) if self.scale is None else self._steps(samples, self.scale)
        lanes = LANES[self.format]
        if lanes == 1:
            return samples
        count, channels, *area = samples.shape
        padded = np.zeros((count, math.ceil(channels / lanes) * lanes, *area), samples.dtype)
        padded[:, :channels] = samples
        return np.ascontiguousarray(np.moveaxis(padded.reshape(count, -1, lanes, *area), 2, -1))

    def _steps(self, samples: npt.NDArray[np.generic], scale: float) -> npt.NDArray[np.generic]:
        if samples.dtype == self.dtype:
            return samples
        # A value that is not finite is one of these two, and finding them costs a tenth of what follows.
        if not np.isfinite([samples.min(initial=0), samples.max(initial=0)]).all():
            raise RunFailed(
                f"Samples of {self.name} have values that are no finite numbers: prepare the data set again."
            )
        steps: npt.NDArray[np.generic] = np.clip(np.rint(samples / np.float32(scale)), -128, 127).astype(self.dtype)
        return steps

    def _cast(self, samples: npt.NDArray[np.generic]) -> npt.NDArray[np.generic]:
        with np.errstate(invalid="ignore"):  # what does not fit is found below
            cast = samples.astype(self.dtype, copy=False)
        if not np.issubdtype(self.dtype, np.integer) or np.can_cast(samples.dtype, self.dtype):
            return cast
        if not np.array_equal(cast, samples):
            raise RunFailed(
                f"Samples of {self.name} are {samples.dtype} and lose their values as {self.dtype}, which the network "
                f"itself takes, and no scale is known: give the data set's samples as {self.dtype}, or export the "
                "network with a float input that its own Q/DQ nodes quantise."
            )
        return cast


@attrs.frozen(kw_only=True)
class PlanRecord:
    """plan.json."""

    schema: int = knob("Version of this file's form.")
    backend: str = knob("Alias of the engine library.")
    library_version: str = knob("Version of the library that built the plan.")
    device: str = knob("GPU, or compute capability, that it was built for.")
    precision: str = knob("Lowest number format allowed.")
    max_batch: int = knob("Most samples of one execution.")
    static_batch: bool = knob("Whether every execution has exactly so many.")
    profiles: int = knob("Optimisation profiles: as many execution contexts may run side by side.")
    tensors: tuple[PlanTensor, ...] = knob("Inputs and outputs.")
    seconds: float = knob("Time that the build took.", unit="s", unit_in_name=True)
    version_compatible: bool = knob("Whether later versions of the library load it elsewhere.", default=False)
    dla_core: int | None = knob("DLA that it was built for; absent: the GPU.", default=None)

    @property
    def batch_field(self) -> str:
        """The field that says how many samples an execution has at most."""
        return batch_field(self.dla_core)

    @property
    def inputs(self) -> tuple[PlanTensor, ...]:
        """In the network's order."""
        return tuple(tensor for tensor in self.tensors if tensor.is_input)

    @property
    def outputs(self) -> tuple[PlanTensor, ...]:
        """In the network's order."""
        return tuple(tensor for tensor in self.tensors if not tensor.is_input)


def write_record(folder: Path, record: PlanRecord) -> None:
    """Write plan.json."""
    write_json(folder / RECORD_FILE, unstructure(record))


def read_record(engine: Engine) -> PlanRecord:
    """The record of an engine.

    Raises:
        NotReady: when it is missing or unreadable.
    """
    return read_record_in(Path(engine.path))


def read_record_in(folder: Path) -> PlanRecord:
    """The record of the plan in a folder.

    Raises:
        NotReady: when it is missing or unreadable.
    """
    path = folder / RECORD_FILE
    try:
        tree: dict[str, Any] = json.loads(path.read_text())
        if tree.get("schema") != RECORD_SCHEMA:
            raise ValueError(f"schema {tree.get('schema')}, and this version reads {RECORD_SCHEMA}")
        return structure(PlanRecord, tree, canonical=True)
    except (OSError, ValueError, ConfigError) as error:
        raise NotReady(f"{path} is not readable ({error}): build with builder.force_build_engines=true.") from error

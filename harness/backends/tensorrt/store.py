"""Store: where the loaded samples lie for GPUs to read, in pinned host memory or in each GPU's own.

Follows the QSL as LoadGen loads and unloads it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import numpy as np
import numpy.typing as npt

from harness.backends.tensorrt.device import Device
from harness.backends.tensorrt.gather import VECTOR
from harness.backends.tensorrt.record import PlanTensor
from harness.benchmarks.dataset import Ragged
from mlperf_registry.schema.problem import RunFailed

Column = npt.NDArray[np.generic]


class Store:
    """The samples of the engine's inputs, for every device."""

    def __init__(self, devices: Sequence[Device], inputs: Sequence[PlanTensor], *, on_device: bool) -> None:
        """Nothing is held yet.

        Args:
            devices: those that will read.
            inputs: of the plan, in its order.
            on_device: copy samples to every device (``runtime.start_from_device``), instead of pinning them.
        """
        self._devices = devices
        self._inputs = inputs
        self._on_device = on_device
        self._release: list[Callable[[], None]] = []

    def hold(self, columns: Mapping[str, Column | Ragged]) -> list[list[int]]:
        """Make samples readable; the calling thread is the first device's afterwards.

        Returns:
            Address of slot 0, for each device and input.

        Raises:
            RunFailed: when the samples are not what the engine takes, or memory is short.
        """
        self.drop()
        held = [self._column(columns, tensor) for tensor in self._inputs]
        if self._on_device:
            return [self._copied(device, held) for device in self._devices]
        pinned = [self._pinned(column) for column in held]
        addresses = []
        for device in self._devices[::-1]:
            device.attach()
            addresses.append([device.address_of(column) for column in pinned])
        return addresses[::-1]

    def drop(self) -> None:
        """Forget the samples. No batch may be on its way."""
        while self._release:
            self._release.pop()()

    def _copied(self, device: Device, columns: Sequence[Column]) -> list[int]:
        device.attach()
        addresses = []
        for column, tensor in zip(columns, self._inputs, strict=True):
            address = device.allocate(
                column.nbytes,
                f"{len(column)} samples of {tensor.name}",
                "loadgen.performance_sample_count_override, or set runtime.start_from_device=false",
            )
            self._release.append(partial(_free, device, address))
            device.copy_in(address, column)
            addresses.append(address)
        self._devices[0].attach()
        return addresses

    def _pinned(self, column: Column) -> Column:
        """The column, or a copy of it where it cannot be pinned in place."""
        device = self._devices[0]
        device.attach()
        # A kernel's load of a vector that lies across two ends all work on the GPU.
        if column.ctypes.data % VECTOR == 0 and device.pin(column):
            self._release.append(partial(device.unpin, column))
            return column
        copy = device.pinned(column.nbytes, "samples")
        self._release.append(partial(device.unpinned, copy))
        pinned = copy.view(column.dtype).reshape(column.shape)
        pinned[...] = column
        return pinned

    def _column(self, columns: Mapping[str, Column | Ragged], tensor: PlanTensor) -> Column:
        column = columns[tensor.name]
        assert not isinstance(column, Ragged), "samples are in the engine's form, see harness.backends.tensorrt.inputs"
        if column.dtype != tensor.dtype or column.shape[1:] != tensor.row_shape:
            raise RunFailed(
                f"A sample of {tensor.name} is {column.dtype} {list(column.shape[1:])}, and the engine takes "
                f"{tensor.dtype} {list(tensor.row_shape)}: load samples in the engine's form."
            )
        return column


def _free(device: Device, address: int) -> None:
    device.attach()
    device.free(address)

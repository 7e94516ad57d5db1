"""The GPU that this process uses, as CUDA tells it: asked before the engine library is, which may crash without one."""

from __future__ import annotations

from typing import Any

import attrs

from mlperf_registry.schema.problem import NotReady

_MIB = 1 << 20


@attrs.frozen
class Gpu:
    """A GPU, as CUDA names it."""

    name: str
    capability: str
    """Compute capability, such as 9.0."""

    def __str__(self) -> str:
        return f"{self.name}, compute capability {self.capability}"


@attrs.frozen
class DeviceMemory:
    """What CUDA's current device has, in bytes."""

    free: int
    total: int

    def __str__(self) -> str:
        return f"{self.free / _MIB:,.1f} of {self.total / _MIB:,.1f} MiB are free"


def device_memory() -> DeviceMemory | None:
    """Of the thread's current device, for messages about memory that is short; None where CUDA does not say."""
    from cuda.bindings import runtime

    status, free, total = runtime.cudaMemGetInfo()
    if int(status) != 0:
        runtime.cudaGetLastError()  # whoever looks next would take it for its own
        return None
    return DeviceMemory(free, total)


def require_gpu(index: int = 0) -> Gpu:
    """The GPU of a CUDA index.

    Raises:
        NotReady: when cuda-python, the driver or the GPU is absent, or the driver is too old for cuda-python.
    """
    try:
        from cuda.bindings import driver, runtime
    except ImportError as error:
        raise NotReady("cuda-python is not installed, and GPUs are driven with it: pip install cuda-python") from error
    try:
        (status,) = driver.cuInit(0)
    except RuntimeError as error:  # cuda-python found no libcuda.so.1
        raise NotReady(
            "NVIDIA's driver is not here (no libcuda.so.1): this backend needs a GPU; backend=onnxruntime needs none."
        ) from error
    results = driver.CUresult
    if status == results.CUDA_ERROR_NO_DEVICE:
        raise NotReady(
            "CUDA shows no GPU here. See CUDA_VISIBLE_DEVICES and `mlperf systems detect`; backend=onnxruntime needs "
            "none."
        )
    if status in (results.CUDA_ERROR_SYSTEM_DRIVER_MISMATCH, results.CUDA_ERROR_COMPAT_NOT_SUPPORTED_ON_DEVICE):
        raise NotReady(f"NVIDIA's driver and its libraries do not fit each other ({status.name}): update the driver.")
    if status != results.CUDA_SUCCESS:
        raise NotReady(f"CUDA does not start ({status.name}): `nvidia-smi` may tell more.")
    # Older drivers serve the driver's calls all the same; only the runtime in cuda-python asks for a newer one.
    if runtime.cudaGetDeviceCount()[0] == runtime.cudaError_t.cudaErrorInsufficientDriver:
        needed = driver.CUDA_VERSION // 1000
        raise NotReady(
            f"NVIDIA's driver is too old: it serves CUDA up to {_version(driver)}, and cuda-python here is of CUDA "
            f"{needed}. Update the driver, or install cuda-python and an engine library of the driver's CUDA."
        )
    status, count = driver.cuDeviceGetCount()
    if status != results.CUDA_SUCCESS or index >= count:
        shown = 0 if status != results.CUDA_SUCCESS else count
        raise NotReady(
            f"The run uses GPU {index}, counted from 0, and CUDA shows {shown} here. runtime.gpu_indices names those "
            "to use; unset, they are as many as the system has."
        )
    status, device = driver.cuDeviceGet(index)
    _require(driver, status, index)
    status, name = driver.cuDeviceGetName(128, device)
    _require(driver, status, index)
    attributes = driver.CUdevice_attribute
    status, major = driver.cuDeviceGetAttribute(attributes.CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, device)
    _require(driver, status, index)
    status, minor = driver.cuDeviceGetAttribute(attributes.CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR, device)
    _require(driver, status, index)
    return Gpu(name.split(b"\0", 1)[0].decode(), f"{major}.{minor}")


def _version(driver: Any) -> str:
    status, number = driver.cuDriverGetVersion()
    return f"{number // 1000}.{number % 1000 // 10}" if int(status) == 0 else "an unknown version"


def _require(driver: object, status: object, index: int) -> None:
    if getattr(status, "value", 0) != 0:
        raise NotReady(f"CUDA does not describe GPU {index} ({getattr(status, 'name', status)}).")

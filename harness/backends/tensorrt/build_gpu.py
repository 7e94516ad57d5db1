"""The GPU that a build runs on: made the thread's, compared with the one that the engine's key names, and asked.

Only what builds ask of CUDA is here; runs drive a GPU through cuda.py.
"""

from __future__ import annotations

from typing import Any

from harness.backends.tensorrt.gpu import DeviceMemory, Gpu
from mlperf_registry.schema.problem import NotReady, RunFailed
from mlperf_registry.schema.quantity import BYTES

_UNITS = {unit: BYTES[unit] for unit in ("GiB", "MiB", "KiB")}


def take_gpu(index: int, gpu: Gpu, wanted: str) -> None:
    """Make a GPU the one that this thread builds on, and kernels are timed on.

    Args:
        index: CUDA's index.
        gpu: what CUDA says of it.
        wanted: name and compute capability that the recipe says; other words are not compared.

    Raises:
        NotReady: when CUDA's GPU of that index is another one.
        RunFailed: when CUDA does not use it.
    """
    if _is_another(index, gpu, wanted):
        raise NotReady(
            f"The engine is for {wanted}, and CUDA's GPU {index} is {gpu}: CUDA counts GPUs in another order than the "
            "driver. Set CUDA_DEVICE_ORDER=PCI_BUS_ID, or name another with runtime.gpu_indices."
        )
    if index == 0:  # a thread has the first one unless it asks for another
        return
    runtime = _runtime()
    (error,) = runtime.cudaSetDevice(index)
    if int(error) != 0:
        raise RunFailed(f"CUDA does not use GPU {index} ({error.name}): `nvidia-smi` may tell more.")


def _is_another(index: int, gpu: Gpu, wanted: str) -> bool:
    name, there, rest = wanted.partition(", compute capability ")
    if not there:
        return False
    capability = rest.partition(",")[0]
    if capability not in (gpu.capability, "unknown"):
        return True
    # CUDA names the profile of a MIG slice behind the GPU's own name.
    if gpu.name == name or (", MIG " in rest and gpu.name.startswith(name)):
        return False
    # The key has an integrated GPU under its board's name, which CUDA does not know.
    runtime = _runtime()
    error, integrated = runtime.cudaDeviceGetAttribute(runtime.cudaDeviceAttr.cudaDevAttrIntegrated, index)
    return int(error) != 0 or not integrated


def memory_cure(said: str, workspace: int | None, memory: DeviceMemory | None) -> str:
    """What to change after a build that failed for want of memory, a sentence; empty where that was not why.

    Args:
        said: the library's words.
        workspace: bytes of builder.workspace_size; None where it is not set.
        memory: what the GPU has; None where none is here, or it does not say.
    """
    words = said.lower()
    # Full TensorRT does not always tell a limit that no kernel keeps from a layer that has none.
    if workspace is not None and ("workspace" in words or "could not find any implementation" in words):
        surely = "is" if "workspace" in words else "may be"
        return (
            f"builder.workspace_size of {_size(workspace)} {surely} too small: raise it, or leave it out, and the "
            "builder may use all device memory."
        )
    if "memory" not in words and "workspace" not in words:
        return ""
    asked = "all device memory" if workspace is None else _size(workspace)
    free = "" if memory is None else f", and {memory} now"
    return (
        f"The workspace was {asked}{free}: lower builder.gpu_batch_size, set builder.workspace_size to less than what "
        "is free, or end what else uses the GPU."
    )


def _size(size: int) -> str:
    unit, of = next(((unit, of) for unit, of in _UNITS.items() if size >= of), ("B", 1))
    return f"{size / of:.1f} {unit}" if of > 1 else f"{size} B"


def is_shared(index: int) -> bool | None:
    """Whether CUDA's multi-process service (MPS) runs the contexts of this process; None where CUDA does not say."""
    from cuda.bindings import driver

    attribute = getattr(driver.CUdevice_attribute, "CU_DEVICE_ATTRIBUTE_MPS_ENABLED", None)
    if attribute is None:
        return None
    try:
        status, device = driver.cuDeviceGet(index)
    except RuntimeError:  # cuda-python found no libcuda.so.1
        return None
    if int(status) != 0:
        return None
    status, enabled = driver.cuDeviceGetAttribute(attribute, device)
    return None if int(status) != 0 else bool(enabled)


def _runtime() -> Any:
    # Late: cuda-python is asked for, with a sentence where it is absent, before anything here is called.
    from cuda.bindings import runtime

    return runtime

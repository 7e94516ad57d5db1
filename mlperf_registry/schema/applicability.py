"""Where a field applies: which families of benchmarks, scenarios, harnesses and engine libraries read it.

A value that nothing reads would be silently without effect; it is refused instead, with the places where it has one.
"""

from __future__ import annotations

from functools import cache

import attrs

from mlperf_registry.schema.cell import SCENARIO_NAMES
from mlperf_registry.schema.knob import Applies, knob_of

OFFLINE = ("offline",)
SINGLESTREAM = ("singlestream",)
MULTISTREAM = ("multistream",)
SERVER = ("server", "interactive")
"""Interactive is LoadGen's Server with other bounds."""

TRITON = ("triton", "triton_unified", "triton_cpu")
"""Harnesses in which Triton serves the engine."""

TOKENS = ("llm", "multimodal", "whisper")
"""Families that generate tokens, and whose engines form batches themselves."""

HARNESS_BATCHED = ("resnet50", "ssd", "retinanet", "yolo", "pointpainting", "unet3d", "bert", "dlrm", "rgat")
"""Families whose batches the harness forms."""

TENSORRT = ("tensorrt", "tensorrt_rtx")
"""Engine libraries whose engines the harness itself feeds, stream by stream."""

NVIDIA = (*TENSORRT, "tensorrt_llm")
"""Engine libraries of NVIDIA's."""

GPU = (*NVIDIA, "tensorrt_edgellm", "vllm")
"""Engine libraries that run on GPUs of this machine."""

IN_PROCESS = (*GPU, "onnxruntime")
"""Engine libraries whose threads and memory are the harness's own."""

_NO_EFFECT = "has no effect with"
_OPTIONS = {name: option for option, name in SCENARIO_NAMES.items()}


@attrs.frozen(cache_hash=True)
class Case:
    """What decides whether a field applies. None where it is not known: it then excludes nothing."""

    benchmark: str | None
    family: str | None
    scenario: str | None
    """Name in JSON, as ``scenario.name`` has it."""
    harness: str | None
    backend: str | None = None


@cache
def inapplicable(cls: type, case: Case) -> frozenset[str]:
    """Names of the fields of ``cls`` that nothing reads in ``case``."""
    return frozenset(name for name, applies in _restricted(cls) if reasons(applies, case))


def reasons(applies: Applies, case: Case) -> tuple[tuple[str, str, tuple[str, ...]], ...]:
    """(axis, what the case has, what it must be one of) for each axis on which a field does not apply."""
    scenario = None if case.scenario is None else _OPTIONS.get(case.scenario, case.scenario)
    benchmark = case.family if case.benchmark is None else case.benchmark
    axes = (
        ("benchmark", benchmark, (case.family, case.benchmark), applies.benchmarks),
        ("scenario", scenario, (scenario,), applies.scenarios),
        ("harness", case.harness, (case.harness,), applies.harnesses),
        ("backend", case.backend, (case.backend,), applies.backends),
    )
    return tuple(
        (axis, shown, known)
        for axis, shown, names, known in axes
        if known and shown is not None and not any(name in known for name in names)
    )


def refusal(cls: type, name: str, case: Case) -> tuple[str, str]:
    """What is wrong with a field that is set where it does not apply, and as the cure the places where it does."""
    applies = knob_of(attrs.fields_dict(cls)[name]).applies
    here = " and ".join(f"{axis} {shown}" for axis, shown, _ in reasons(applies, case))
    return f"{_NO_EFFECT} {here}", f"it applies to {where(applies)}"


def is_refusal(message: str) -> bool:
    """Whether that is wrong: the field does not apply there. Its value may be right or wrong."""
    return message.startswith(_NO_EFFECT)


def where(applies: Applies) -> str:
    """The places where a field applies, in words; ``everything`` without a restriction."""
    parts = (
        ("benchmarks of", applies.benchmarks),
        ("scenario", applies.scenarios),
        ("harness", applies.harnesses),
        ("backend", applies.backends),
    )
    return "; ".join(f"{noun} {', '.join(names)}" for noun, names in parts if names) or "everything"


@cache
def _restricted(cls: type) -> tuple[tuple[str, Applies], ...]:
    found = ((field.name, knob_of(field).applies) for field in attrs.fields(cls))
    return tuple((name, applies) for name, applies in found if applies != Applies())

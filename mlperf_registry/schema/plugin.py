"""What a benchmark's or backend's code offers, by name: the entries of the plug-in table.

An entry holds only strings, so that listing plug-ins imports none of their code.
"""

from __future__ import annotations

from typing import Literal

import attrs


@attrs.frozen(kw_only=True)
class BenchmarkPlugin:
    """The code behind a benchmark family. Each string is ``module:attribute``."""

    family: str
    options: str | None = None
    """attrs class of ``benchmark.options``; None for a family without options."""
    dataset: str | None = None
    """Callable ``(workload: Workload, scratch: Path | None) -> Dataset``; raises NotReady where data is missing.
    None: no code yet; the same for ``accuracy``."""
    respond: str | None = None
    """Callable ``(outputs, options) -> outputs``, row for row: what LoadGen is answered; None: as they are."""
    accuracy: str | None = None
    """Callable ``(log: Path, dataset: Dataset, options) -> Score``; see harness.benchmarks.dataset."""
    calibration: str | None = None
    """Callable ``(data: Data, builder: Builder, options, scratch: Path | None) -> Dataset`` of the calibration set,
    whose samples come as float32; raises NotReady where it is missing. None: it has none."""
    random_weights: str | None = None
    """Callable ``(model: Model, options) -> bytes | dict[str, bytes]``, for ``model.weights=random``: an ONNX file made
    from the architecture alone, or the files of a checkpoint's folder, by name; the same each time. None: no code makes
    its networks."""
    random_data: str | None = None
    """Callable ``(data: Data, options) -> Dataset``: seeded samples for such a network, which needs no others."""
    fault: str | None = None
    """Why it cannot be used, as a sentence; the table of plug-ins sets it, no plug-in itself."""

    @classmethod
    def faulty(cls, family: str, fault: str) -> BenchmarkPlugin:
        """Stands for a family whose plug-in does not load: its name is known, and using it is NotReady."""
        return cls(family=family, fault=fault)

    @property
    def runnable(self) -> bool:
        """Whether there is code to run it; without, its configurations can still be listed, explained and compared."""
        return self.dataset is not None and self.accuracy is not None


@attrs.frozen(kw_only=True)
class BackendPlugin:
    """The code behind an engine library."""

    name: str
    options: str | None = None
    """attrs class of ``backend.options``."""
    builder: str | None
    """Class with ``version`` and ``build(recipe: Recipe, folder: Path) -> str``, the file's name; None: no code yet.
    Where it has ``room(recipe, model_bytes: int) -> int``, that says how many bytes a build takes on the disk, given
    those of its model: others are taken to need as many as the model has. Where it has an attribute ``tell``, that is
    set to what takes sentences for the user."""
    runner: str | None
    """Class with open, submit, drain, close; see harness.loadgen.runner."""
    inspect: str | None = None
    """Callable ``(engine: Engine) -> Inspection``; raises NotReady. None: its engines cannot be looked into."""
    check: str | None = None
    """Callable ``(workload: Workload) -> Iterable[Problem]``: what cannot be as it is configured, told before data is
    looked for or anything is built. It is pure, and imports no engine library. None: whatever is well formed can be."""
    prepare: str | None = None
    """Callable ``(engine: Engine) -> prepare``, where ``prepare(columns)`` turns the columns of a Dataset into what
    the engine takes: number format, memory layout, scale. None: it takes them as they are."""
    calibrate: str | None = None
    """Callable ``(model: Path, samples: Iterable[dict[str, array]], tell) -> str | None``, the text of an INT8
    calibration cache, None for a network that quantises itself. None: its engines need no cache."""
    reads: tuple[str, ...]
    """Paths of the workload that the builder reads: it is handed exactly these, and they make the engine key."""
    takes: Literal["file", "folder", "nothing"] = "file"
    """What a model is to it: one file, the folder of a checkpoint, or nothing, since a server has it."""
    benchmarks: tuple[str, ...] = ()
    """Families, or ids of benchmarks, that it claims to run although their own files do not name it. Those that a file
    names come first, in its order of preference; the backends of this package are named there, and claim none."""
    precisions: tuple[str, ...] = ()
    """Number formats that ``builder.precision`` may name; empty: all of the schema's."""
    imports: tuple[str, ...] = ()
    """Top-level modules that must be importable."""
    distribution: str | None = None
    """Distribution whose version is part of the engine key."""
    extra: str | None = None
    """Extra of this package that installs them; None for a base dependency."""
    fault: str | None = None
    """Why it cannot be used, as a sentence; the table of plug-ins sets it, no plug-in itself."""

    @classmethod
    def faulty(cls, name: str, fault: str) -> BackendPlugin:
        """Stands for a backend whose plug-in does not load: its name is known, and using it is NotReady."""
        return cls(name=name, builder=None, runner=None, reads=(), fault=fault)

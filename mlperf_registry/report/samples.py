"""samples.npz reduced to what a plot needs: at most a few hundred figures, however many samples a run had.

Times are the SUT's own, in nanoseconds from the first issue; LoadGen's summary stays the source of headline figures.
"""

from __future__ import annotations

import math
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Ints = NDArray[np.int64]

PERCENTILES = (50.0, 90.0, 95.0, 97.0, 99.0, 99.9)
"""Those of LoadGen's summary."""

HEAVY_TAIL = 8
"""A maximum so many medians away makes a linear axis unreadable."""

_SAME = 1e-4
"""Relative spread under which all times count as one: no tick could tell them apart."""
_BINS = 56
_TIME_BINS = 60


@attrs.frozen(eq=False)
class Samples:
    """The finished samples of a performance run: arrays of equal length [samples], times in ns from the first issue."""

    issue_ns: Ints
    complete_ns: Ints
    first_token_ns: Ints | None
    """-1 where a sample reported no first token."""
    token_count: Ints | None
    unfinished: int
    """Samples that were issued and never completed; they are not in the arrays."""

    @property
    def latency_ns(self) -> Ints:
        """Issue to completion."""
        return self.complete_ns - self.issue_ns

    @property
    def ttft_ns(self) -> Ints | None:
        """Issue to first token, of the samples that reported one; None where none did."""
        if self.first_token_ns is None:
            return None
        reported = self.first_token_ns >= self.issue_ns
        return (self.first_token_ns - self.issue_ns)[reported] if reported.any() else None

    @property
    def tpot_ns(self) -> NDArray[np.float64] | None:
        """Time per output token after the first; None where no sample has two tokens."""
        if self.first_token_ns is None or self.token_count is None:
            return None
        counted = (self.first_token_ns >= self.issue_ns) & (self.token_count > 1)
        if not counted.any():
            return None
        spans: NDArray[np.float64] = (self.complete_ns - self.first_token_ns)[counted] / (self.token_count[counted] - 1)
        return spans


@attrs.frozen
class Distribution:
    """How often each time occurred. ``counts[i]`` lie from ``edges[i]`` to ``edges[i + 1]``, in ns."""

    count: int
    minimum: float
    mean: float
    maximum: float
    percentiles: dict[float, float]
    """Percentile to ns, as LoadGen takes it: the sample at that share of the sorted list."""
    edges: tuple[float, ...]
    counts: tuple[int, ...]
    log: bool
    """Whether the bins grow geometrically."""
    curve: tuple[tuple[float, float], ...]
    """(nines, ns): ``nines`` is -log10(1 - share), so 1 is p90 and 3 is p99.9; up to what the count supports."""


@attrs.frozen
class Throughput:
    """Completed samples per second. ``rates[i]`` holds from ``edges[i]`` to ``edges[i + 1]``, in ns."""

    edges: tuple[float, ...]
    rates: tuple[float, ...]
    mean: float


@attrs.frozen
class Drift:
    """Latency of the samples issued in each span of time, in ns; spans without a sample are left out."""

    centres: tuple[float, ...]
    p50: tuple[float, ...]
    p99: tuple[float, ...]


def load_samples(path: Path) -> Samples:
    """The samples of ``path``.

    Raises:
        ValueError: with a sentence, when the file is damaged, lacks an array, or holds no finished sample.
        FileNotFoundError: when it is not there.
    """
    import numpy as np

    try:
        with np.load(path, allow_pickle=False) as arrays:
            held = {name: arrays[name] for name in arrays.files}
    except FileNotFoundError:
        raise
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(f"{path.name} cannot be read ({error}); run again to write it anew.") from error
    missing = [name for name in ("issue_ns", "complete_ns") if name not in held]
    if missing:
        raise ValueError(f"{path.name} has no {' and no '.join(missing)}; it was not written by this harness.")
    issue, complete = (held[name].astype(np.int64) for name in ("issue_ns", "complete_ns"))
    first, tokens = (
        held[name].astype(np.int64) if name in held else None for name in ("first_token_ns", "token_count")
    )
    if any(array is not None and array.shape != issue.shape for array in (complete, first, tokens)):
        raise ValueError(f"{path.name} has arrays of different lengths; run again to write it anew.")
    finished = (complete >= issue) & (complete > 0)
    if not finished.any():
        raise ValueError(f"{path.name} holds no finished sample.")
    return Samples(
        issue_ns=issue[finished],
        complete_ns=complete[finished],
        first_token_ns=None if first is None else first[finished],
        token_count=None if tokens is None else tokens[finished],
        unfinished=int(issue.size - finished.sum()),
    )


def distribution(
    values: NDArray[np.int64] | NDArray[np.float64], extra_percentiles: Sequence[float] = ()
) -> Distribution:
    """Histogram and percentiles of one or more times in ns."""
    import numpy as np

    ordered = np.sort(values).astype(np.float64)
    count = int(ordered.size)

    def at(share: float) -> float:
        # The small term keeps 0.9 * 10 from falling below 9.
        return float(ordered[min(count - 1, int(share * count + 1e-9))])

    edges, log = _edges(float(ordered[0]), float(ordered[-1]), at(0.5), count)
    inner = np.searchsorted(ordered, edges[1:-1], side="left")
    counts = np.diff(np.concatenate(([0], inner, [count])))
    nines = np.linspace(0, math.log10(count), 160) if count > 1 else np.zeros(1)
    return Distribution(
        count=count,
        minimum=float(ordered[0]),
        mean=float(ordered.mean()),
        maximum=float(ordered[-1]),
        percentiles={p: at(p / 100) for p in sorted({*PERCENTILES, *extra_percentiles})},
        edges=tuple(edges),
        counts=tuple(int(n) for n in counts),
        log=log,
        curve=tuple((float(x), at(1 - 10.0**-x)) for x in nines),
    )


def throughput(samples: Samples) -> Throughput:
    """Rate of completions over time, in equal spans from the first issue to the last completion."""
    import numpy as np

    ordered = np.sort(samples.complete_ns)
    end = float(ordered[-1])
    # A batch completes at once. Spread over the time since the batch before, it does not beat against the spans.
    last_of_batch = np.append(np.diff(ordered) > end / (2 * ordered.size), True)
    done = np.flatnonzero(last_of_batch) + 1
    spans = min(max(done.size // 8, 1), _TIME_BINS)
    edges = np.linspace(0, end, spans + 1)
    reached = np.interp(edges, np.append(0, ordered[last_of_batch]), np.append(0, done))
    return Throughput(
        edges=tuple(float(edge) for edge in edges),
        rates=tuple(float(rate) for rate in np.diff(reached) / (end / spans / 1e9)),
        mean=float(ordered.size / (end / 1e9)),
    )


def drift(samples: Samples) -> Drift | None:
    """Latency over the time of issue; None with too few samples or too short a span for percentiles to mean much."""
    import numpy as np

    count = int(samples.issue_ns.size)
    spans = min(count // 100, _TIME_BINS)
    end = float(samples.issue_ns.max())
    if spans < 8 or end <= 0:
        return None
    order = np.argsort(samples.issue_ns, kind="stable")
    edges = np.linspace(0, end, spans + 1)
    cuts = np.searchsorted(samples.issue_ns[order], edges[1:-1])
    held = [
        (centre, np.sort(part))
        for centre, part in zip((edges[:-1] + edges[1:]) / 2, np.split(samples.latency_ns[order], cuts), strict=True)
        if part.size
    ]
    if len(held) < 8:
        return None
    return Drift(
        centres=tuple(float(centre) for centre, _ in held),
        p50=tuple(float(part[part.size // 2]) for _, part in held),
        p99=tuple(float(part[min(part.size - 1, int(0.99 * part.size))]) for _, part in held),
    )


def _edges(low: float, high: float, median: float, count: int) -> tuple[list[float], bool]:
    """Edges of the bins, at round values where bins are equally wide; and whether they grow geometrically instead."""
    wanted = min(max(round(2 * count ** (1 / 3)), 8), _BINS)
    if high - low <= low * _SAME:
        half = max(low * 0.02, 0.5)
        return [low - 7 * half, low - half, low + half, low + 7 * half], False
    if high >= HEAVY_TAIL * max(median, 1):
        bottom = math.log10(max(low, 1))
        per_decade = math.ceil(wanted / max(math.log10(high) - bottom, 0.1))
        first, last = math.floor(bottom * per_decade), math.floor(math.log10(high) * per_decade) + 1
        return [10 ** (k / per_decade) for k in range(first, last + 1)], True
    step = round_step((high - low) / wanted)
    first, last = math.floor(low / step), math.floor(high / step) + 1
    return [k * step for k in range(first, last + 1)], False


def round_step(least: float) -> float:
    """The smallest of 1, 2, 2.5 and 5 times a power of ten that is not under ``least``."""
    power = 10.0 ** math.floor(math.log10(least))
    return next((m * power for m in (1, 2, 2.5, 5, 10) if m * power >= least * (1 - 1e-9)), 10 * power)

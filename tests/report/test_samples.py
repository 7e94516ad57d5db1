"""samples.npz is reduced without losing, inventing or misplacing samples."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlperf_registry.report.samples import distribution, drift, load_samples, throughput

MS = 1_000_000


@given(st.lists(st.integers(0, 10**13), min_size=1, max_size=300))
def test_every_sample_is_in_one_bin(values: list[int]) -> None:
    spread = distribution(np.array(values))
    assert sum(spread.counts) == len(values)
    assert len(spread.edges) == len(spread.counts) + 1
    assert list(spread.edges) == sorted(set(spread.edges))
    # A log axis cannot show 0 ns: it starts at 1 ns.
    assert spread.edges[0] <= max(min(values), 1) and max(values) <= spread.edges[-1]
    assert len(spread.counts) <= 80
    assert spread.minimum <= spread.percentiles[50] <= spread.percentiles[99] <= spread.maximum


def test_percentiles_are_the_samples_that_loadgen_takes() -> None:
    spread = distribution(np.arange(1000) * MS, extra_percentiles=(99.5,))
    assert spread.percentiles[90] == 900 * MS
    assert spread.percentiles[99.5] == 995 * MS
    assert spread.percentiles[99.9] == 999 * MS


def test_bins_grow_geometrically_only_under_a_heavy_tail() -> None:
    rng = np.random.default_rng(1)
    assert not distribution(rng.normal(3 * MS, 0.1 * MS, 1000)).log
    assert not distribution(np.linspace(1, 10_000 * MS, 1000)).log
    assert distribution(np.append(rng.normal(3 * MS, 0.1 * MS, 1000), 400 * MS)).log


@pytest.mark.parametrize("values", [[1_234_567], [1_234_567] * 500, [0], [0, 1], [10**12, 10**12 + 1]])
def test_one_sample_and_equal_samples_have_a_histogram(values: list[int]) -> None:
    spread = distribution(np.array(values))
    assert sum(spread.counts) == len(values)
    assert spread.edges[0] < spread.edges[-1]


def test_batches_at_a_steady_rate_give_a_steady_throughput(make_samples: Callable[..., Path]) -> None:
    done = np.repeat(np.arange(1, 201) * 25 * MS, 64)
    course = throughput(load_samples(make_samples(issue_ns=np.zeros(done.size), complete_ns=done)))
    assert course.rates == pytest.approx([2560.0] * len(course.rates))
    assert course.mean == pytest.approx(2560.0)


def test_a_stall_shows_in_the_throughput(make_samples: Callable[..., Path]) -> None:
    done = np.concatenate([np.arange(1, 5001) * MS, np.arange(7001, 12001) * MS])
    course = throughput(load_samples(make_samples(issue_ns=np.zeros(done.size), complete_ns=done)))
    stalled = [rate for a, rate in zip(course.edges, course.rates, strict=False) if 5.2e9 < a < 6.7e9]
    assert stalled and max(stalled) < 5


def test_latency_over_time_shows_a_burst(make_samples: Callable[..., Path]) -> None:
    course = drift(load_samples(make_samples()))
    assert course is not None
    quiet, burst = course.p50[10], max(course.p50)
    assert burst > 2 * quiet
    assert all(p50 <= p99 for p50, p99 in zip(course.p50, course.p99, strict=True))


def test_latency_over_time_needs_samples_issued_over_time(
    make_samples: Callable[..., Path], make_offline_samples: Callable[..., Path]
) -> None:
    assert drift(load_samples(make_samples(count=100))) is None
    assert drift(load_samples(make_offline_samples())) is None


def test_samples_that_never_completed_are_counted_apart(make_samples: Callable[..., Path]) -> None:
    samples = load_samples(make_samples(issue_ns=[0, 10, 20], complete_ns=[5, 0, -1]))
    assert samples.unfinished == 2
    assert samples.latency_ns.tolist() == [5]


def test_token_times_leave_out_samples_without_tokens(make_samples: Callable[..., Path]) -> None:
    path = make_samples(
        issue_ns=[0, 0, 0], complete_ns=[100, 100, 100], first_token_ns=[10, -1, 20], token_count=[11, 5, 1]
    )
    samples = load_samples(path)
    assert samples.ttft_ns is not None and samples.ttft_ns.tolist() == [10, 20]
    assert samples.tpot_ns is not None and samples.tpot_ns.tolist() == [9.0]


def test_damaged_files_are_errors_with_a_sentence(tmp_path: Path, make_samples: Callable[..., Path]) -> None:
    whole = make_samples(count=100)
    torn = tmp_path / "torn.npz"
    torn.write_bytes(whole.read_bytes()[:500])
    with pytest.raises(ValueError, match="cannot be read"):
        load_samples(torn)
    np.savez(tmp_path / "bare.npz", issue_ns=np.arange(3))
    with pytest.raises(ValueError, match="no complete_ns"):
        load_samples(tmp_path / "bare.npz")
    with pytest.raises(ValueError, match="different lengths"):
        load_samples(make_samples(issue_ns=[1, 2], complete_ns=[3, 4], token_count=[1, 2, 3]))
    with pytest.raises(ValueError, match="no finished sample"):
        load_samples(make_samples(issue_ns=[], complete_ns=[]))
    with pytest.raises(FileNotFoundError):
        load_samples(tmp_path / "absent.npz")

"""Children that hang, followed by the parent that must notice: in each phase, by the limit that holds there."""

from __future__ import annotations

import json

import pytest
from checkout import HERE

from mlperf_registry.execute import child
from mlperf_registry.execute.length import Length
from mlperf_registry.execute.progress import Silent
from mlperf_registry.schema.problem import RunFailed

OFFLINE = {"scenario": "Offline", "offline_expected_qps": 300.0, "min_duration_ms": 100}
LONG = 60.0


@pytest.fixture
def follow(tmp_path, monkeypatch):
    """Have the parent's code run one test of the simulated engine."""

    def run(*, load_seconds=LONG, stall_seconds=LONG, warmup=0, **engine):
        case = {"folder": str(tmp_path), "settings": OFFLINE, "engine": engine, "runtime": {"warmup_duration": warmup}}
        (tmp_path / "case.json").write_text(json.dumps(case))
        monkeypatch.syspath_prepend(HERE)
        monkeypatch.setattr(child, "_CHILD", "drive")
        return child.run_test(
            tmp_path / "case.json",
            "performance",
            log=tmp_path / "child.log",
            load_seconds=load_seconds,
            stall_seconds=stall_seconds,
            length=Length(0.0, 0),
            progress=Silent(),
        )

    return run


def test_an_engine_that_opens_slowly_is_not_hung(follow):
    assert follow(open_s=2.5, stall_seconds=1.5)["failures"] == []


def test_an_engine_that_never_opens(follow):
    with pytest.raises(RunFailed, match=r"still loading after 2 s \(runtime\.load_timeout\)"):
        follow(open_s=600, load_seconds=2.0)


@pytest.mark.parametrize("warmup", [0, 100], ids=["for LoadGen", "for the warm-up"])
def test_a_data_set_that_never_loads(follow, warmup):
    with pytest.raises(RunFailed, match="still loading after 2 s"):
        follow(fault="load hangs", load_seconds=2.0, warmup=warmup)


@pytest.mark.parametrize("fault", ["drain hangs", "close hangs"])
def test_an_engine_that_never_ends(follow, fault):
    with pytest.raises(RunFailed, match=r"no progress for 1\.5 s \(runtime\.stall_timeout\) in its phase 'close'"):
        follow(fault=fault, stall_seconds=1.5)


def test_a_warm_up_whose_drain_hangs(follow):
    with pytest.raises(RunFailed, match="in its phase 'warmup'"):
        follow(fault="drain hangs", stall_seconds=1.5, warmup=100)

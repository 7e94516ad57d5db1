"""Scheduling: answers go to the samples they belong to, copies overlap execution, and GPUs share the work."""

from __future__ import annotations

import threading
import time
import weakref
from itertools import pairwise

import numpy as np
import pytest
from simulated_gpu import COMPUTE, COPY_IN, COPY_OUT, MS, FastHost

from harness.backends.tensorrt import lane
from mlperf_registry.schema.problem import RunFailed

TOTAL = 64
"""Samples that the bench loads."""
SCATTERED = (5, 3, 60, 7, 7, 0, 31, 12)


def spans(gpu, engine):
    return [span for span in gpu.spans if span.engine == engine]


def overlap(one, other):
    return min(one.end, other.end) - max(one.start, other.start)


@pytest.mark.parametrize("scenario", ["Offline", "Server", "SingleStream", "MultiStream"])
@pytest.mark.parametrize("graphs", [False, True], ids=["enqueued", "graphs"])
def test_each_sample_gets_its_own_answer(bench, scenario, graphs):
    made = bench(scenario, runtime={"use_graphs": graphs}, gpu={"execute_ns": MS // 5, "copy_ns": 1000})
    asked = {}
    draw = np.random.default_rng(1)
    for size in (16, 1, 5, 16, 3, 8, 8, 16, 2, 16):
        indices = draw.integers(0, 64, size)
        asked.update(zip(made.submit(indices).tolist(), made.answers(indices), strict=True))
    made.runner.drain()
    assert made.sink.outputs == asked
    assert not made.sink.failed


@pytest.mark.parametrize(
    "runtime",
    [
        {"gpu_inference_streams": 3},
        {"gpu_inference_streams": 2, "gpu_copy_streams": 5, "complete_threads": 2},
        {"run_infer_on_copy_streams": True, "gpu_copy_streams": 3},
        {"start_from_device": True},
        {"use_cuda_thread_per_device": True},
        {"use_spin_wait": True, "use_graphs": True, "gpu_inference_streams": 2},
    ],
    ids=lambda runtime: "+".join(runtime),
)
@pytest.mark.parametrize("gpus", [1, 2])
def test_answers_hold_however_streams_are_laid_out(bench, runtime, gpus):
    made = bench(
        runtime=runtime,
        gpus=gpus,
        gpu={"execute_ns": MS // 2, "copy_ns": 9000, "back_ns": 50_000},
        plan={"profiles": 3},
    )
    asked = {}
    draw = np.random.default_rng(2)
    for _ in range(30):
        indices = draw.integers(0, 64, draw.integers(1, 17))
        asked.update(zip(made.submit(indices).tolist(), made.answers(indices), strict=True))
    made.runner.drain()
    assert made.sink.outputs == asked


def test_the_next_batch_is_copied_while_one_executes(bench):
    made = bench(gpu={"copy_ns": MS // 4, "execute_ns": 5 * MS, "back_ns": MS})  # 4 ms to copy 16 samples
    batches, lanes, waited = 8, 3, len(made.gpu.waits)

    def has_more():
        # Whoever waits for batch n has answered n; as many as there are lanes are under way, until there are no more.
        answered = len(made.gpu.waits) - waited - 1
        return len(spans(made.gpu, COPY_OUT)) < min(batches, answered + lanes)

    made.gpu.clock = FastHost(has_more)
    for _ in range(batches):
        made.submit(np.arange(16))
    made.runner.drain()
    copies, executions, results = (spans(made.gpu, engine) for engine in (COPY_IN, COMPUTE, COPY_OUT))
    for number in range(1, 7):
        # A batch's samples come while the batches before it execute.
        assert sum(max(0, overlap(copies[number + 1], one)) for one in executions[: number + 1]) > 3.5 * MS
        # Results go while the next batch executes, and the engine never waits for either.
        assert overlap(results[number], executions[number + 1]) > MS // 2
        assert executions[number + 1].start - executions[number].end < MS


def test_two_streams_execute_in_turn_with_three_lanes_for_more(bench):
    made = bench(
        runtime={"gpu_inference_streams": 2, "gpu_copy_streams": 4}, gpu={"execute_ns": 2 * MS}, plan={"profiles": 2}
    )
    for _ in range(8):
        made.submit(np.arange(16))
    made.runner.drain()
    streams = [span.stream for span in spans(made.gpu, COMPUTE)]
    assert sorted(set(streams)) != [] and len(set(streams)) == 2
    assert abs(streams.count(streams[0]) - 4) <= 1
    assert len({span.stream for span in spans(made.gpu, COPY_IN)}) == 4


def test_nothing_overlaps_on_one_stream_of_one_lane(bench):
    made = bench(
        runtime={"run_infer_on_copy_streams": True, "gpu_copy_streams": 1},
        gpu={"copy_ns": MS // 16, "execute_ns": MS, "back_ns": MS},
    )
    for _ in range(3):
        made.submit(np.arange(16))
    made.runner.drain()
    everything = sorted(made.gpu.spans, key=lambda span: span.start)
    assert len({span.stream for span in everything}) == 1
    assert all(one.end <= other.start for one, other in pairwise(everything))


def test_submit_waits_while_every_lane_has_a_batch(bench):
    made = bench(gpu={"execute_ns": 30 * MS})
    begun = time.monotonic()
    for _ in range(3):
        made.submit([1])
    assert time.monotonic() - begun < 0.02
    made.submit([1])
    assert time.monotonic() - begun > 0.025
    made.runner.drain()


def test_one_query_at_a_time_is_answered_by_the_thread_that_asked(bench):
    made = bench("SingleStream", batch_size=1, runtime={"use_graphs": True})
    crossings = made.gpu.crossings
    made.submit([3])
    assert made.sink.outputs == {0: made.answers([3])[0]}
    assert made.sink.threads == {threading.current_thread().name}
    assert made.gpu.crossings == crossings + 1
    assert len({span.stream for span in made.gpu.spans}) == 1
    assert made.gpu.waits[-1] == "driver"


class TestOneGraph:
    """A batch's whole way, samples and answers included, is one launch."""

    @pytest.mark.parametrize(("scenario", "size"), [("SingleStream", 1), ("MultiStream", 8)])
    def test_it_is_taken_where_it_is_fastest(self, bench, scenario, size, capfd):
        bench(scenario, batch_size=size, runtime={"use_graphs": True}, gpu={"copy_ns": MS, "kernel_ns": 1})
        said = capfd.readouterr().err
        assert "Batches are gathered by kernel" in said or "Batches are gathered by graph" in said
        assert "graph 0." in said

    def test_answers_are_right_for_every_size_and_wherever_samples_lie(self, bench):
        made = bench("MultiStream", batch_size=8, runtime={"use_graphs": True}, gpu={"kernel_ns": 1}, gather="graph")
        for _ in range(2):
            for slots in (SCATTERED, SCATTERED[:3], [1, 2, 3, 4], [9]):
                crossings, waits = made.gpu.crossings, len(made.gpu.waits)
                ids = made.submit(slots)
                assert [made.sink.outputs[id_] for id_ in ids.tolist()] == made.answers(slots)
                assert (made.gpu.crossings, len(made.gpu.waits)) == (crossings + 1, waits + 1)
            made.qsl.unload(range(TOTAL))
            made.qsl.load(range(TOTAL))
        assert not spans(made.gpu, COPY_OUT), "so short an answer the engine writes to host memory itself"

    def test_long_answers_are_copied(self, bench, monkeypatch):
        monkeypatch.setattr(lane, "WRITTEN_TO_HOST", 8)
        made = bench("SingleStream", batch_size=1, runtime={"use_graphs": True}, gpu={"kernel_ns": 1}, gather="graph")
        made.submit([9])
        assert list(made.sink.outputs.values()) == made.answers([9])
        assert len(spans(made.gpu, COPY_OUT)) == 1

    def test_a_static_plan_is_filled_up(self, bench):
        made = bench(
            "MultiStream",
            runtime={"use_graphs": True},
            gpu={"kernel_ns": 1},
            plan={"static_batch": True},
            gather="graph",
        )
        made.submit([4, 9])
        assert made.plan.executed == [16]
        assert list(made.sink.outputs.values()) == made.answers([4, 9])

    @pytest.mark.parametrize(
        ("scenario", "runtime"), [("Offline", {"use_graphs": True}), ("SingleStream", {"use_graphs": False})]
    )
    def test_it_needs_graphs_and_one_query_at_a_time(self, bench, scenario, runtime):
        with pytest.raises(RunFailed, match=r"needs runtime\.use_graphs, and a scenario of one query at a time"):
            bench(scenario, batch_size=8, runtime=runtime, gpu={"kernel_ns": 1}, gather="graph")


@pytest.mark.parametrize(("spins", "waiting"), [(False, "blocking"), (True, "spinning")])
def test_completion_waits_as_the_config_says(bench, spins, waiting):
    made = bench(runtime={"use_spin_wait": spins, "complete_threads": 2})
    made.gpu.waits.clear()
    for _ in range(20):
        made.submit([1, 2])
    made.runner.drain()
    assert set(made.gpu.waits) == {waiting}
    assert made.sink.threads <= {"gpu0-completion-0", "gpu0-completion-1"}


def test_a_graph_takes_the_next_size_that_was_captured(bench):
    made = bench(runtime={"use_graphs": True})
    crossings = made.gpu.crossings
    for size in (1, 7, 9, 13, 16):
        made.submit(np.arange(size))
    made.runner.drain()
    assert made.plan.executed == [1, 7, 10, 15, 16]
    assert [span.rows for span in spans(made.gpu, COPY_OUT)] == [1, 7, 9, 13, 16]
    assert made.gpu.crossings == crossings + 5


def test_without_graphs_a_batch_is_executed_at_its_own_size(bench):
    made = bench()
    for size in (1, 7, 16):
        made.submit(np.arange(size))
    made.runner.drain()
    assert made.plan.executed == [1, 7, 16]


@pytest.mark.parametrize("graphs", [False, True])
def test_a_static_plan_always_executes_its_full_batch(bench, graphs):
    made = bench(runtime={"use_graphs": graphs}, plan={"static_batch": True})
    made.submit([4, 9])
    made.runner.drain()
    assert made.plan.executed == [16]
    assert list(made.sink.outputs.values()) == made.answers([4, 9])


def test_a_plan_that_cannot_be_captured_is_enqueued(bench, capfd):
    made = bench(runtime={"use_graphs": True}, plan={"capturable": False})
    made.submit(SCATTERED)
    made.runner.drain()
    assert list(made.sink.outputs.values()) == made.answers(SCATTERED)
    assert "runtime.use_graphs has no effect" in capfd.readouterr().err


class TestSamplesInPlace:
    """Rows of 256 bytes, so that each begins where an engine may read."""

    def test_neighbours_on_the_device_are_read_where_they_lie(self, bench):
        made = bench(runtime={"start_from_device": True}, width=32)
        made.submit(range(8, 24))
        made.submit(range(40, 44))
        made.runner.drain()
        assert list(made.sink.outputs.values()) == made.answers([*range(8, 24), *range(40, 44)])
        assert not spans(made.gpu, COPY_IN)

    def test_others_are_gathered(self, bench):
        made = bench(runtime={"start_from_device": True}, width=32)
        made.submit(SCATTERED)
        made.runner.drain()
        assert list(made.sink.outputs.values()) == made.answers(SCATTERED)
        assert len(spans(made.gpu, COPY_IN)) == 1

    @pytest.mark.parametrize(("shares", "copies"), [(True, 0), (False, 1)])
    def test_host_memory_is_read_in_place_where_the_gpu_shares_it(self, bench, shares, copies, capfd):
        made = bench(runtime={"use_direct_host_access": True}, width=32, gpu={"shares_memory": shares})
        address = made.qsl.column("number").ctypes.data
        made.submit(range(4))
        made.runner.drain()
        assert list(made.sink.outputs.values()) == made.answers(range(4))
        if address % 256 == 0:
            assert len(spans(made.gpu, COPY_IN)) == copies
        assert ("use_direct_host_access has no effect" in capfd.readouterr().err) == (not shares)

    @pytest.mark.parametrize("capturable", [True, False])
    def test_graphs_do_without_direct_access_and_say_so(self, bench, capturable, capfd):
        made = bench(
            runtime={"use_direct_host_access": True, "use_graphs": True},
            width=32,
            gpu={"shares_memory": True},
            plan={"capturable": capturable},
        )
        made.submit(range(4))
        made.runner.drain()
        assert list(made.sink.outputs.values()) == made.answers(range(4))
        said = capfd.readouterr().err
        assert ("use_direct_host_access has no effect with runtime.use_graphs" in said) == capturable
        if capturable:
            assert len(spans(made.gpu, COPY_IN)) == 1

    def test_direct_access_that_has_no_effect_leaves_samples_on_the_device_in_place(self, bench):
        made = bench(runtime={"start_from_device": True, "use_direct_host_access": True}, width=32)
        made.submit(range(8, 24))
        made.runner.drain()
        assert not spans(made.gpu, COPY_IN)


def test_samples_that_cannot_be_pinned_are_copied_to_memory_that_is(bench):
    made = bench(gpu={"pins": False})
    made.submit(SCATTERED)
    made.runner.drain()
    assert list(made.sink.outputs.values()) == made.answers(SCATTERED)


@pytest.mark.parametrize("scenario", ["Offline", "Server", "SingleStream", "MultiStream"])
def test_contexts_are_gone_before_their_gpu_is_closed(bench, scenario, monkeypatch):
    made = bench(scenario)
    answers_at_once = made.runner.immediate  # the SUT keeps it
    assert (answers_at_once is not None) == (scenario in ("SingleStream", "MultiStream"))
    (context,) = [weakref.ref(one) for one in made.plan.contexts]
    alive = []
    close = made.gpu.close
    monkeypatch.setattr(made.gpu, "close", lambda: (alive.append(context() is not None), close()))
    made.runner.close()
    assert alive == [False]


def test_samples_may_change_between_runs(bench):
    made = bench(load=False)
    for first in (0, 32):
        loaded = range(first, first + 32)
        made.qsl.load(loaded)
        ids = made.submit([first + 9, first + 2])
        made.runner.drain()
        assert [made.sink.outputs[number] for number in ids.tolist()] == made.answers([first + 9, first + 2])
        made.qsl.unload(loaded)
    with pytest.raises(KeyError, match="not loaded"):
        made.submit([1])


class TestSeveralGpus:
    def test_the_faster_one_does_more(self, bench):
        made = bench(gpus=2, each={0: {"execute_ns": 9 * MS}, 1: {"execute_ns": 3 * MS}})
        for _ in range(40):
            made.submit(np.arange(16))
        made.runner.drain()
        slow, fast = (len(plan.executed) for plan in made.plans)
        assert slow + fast == 40
        assert 2 < fast / slow < 4

    def test_they_work_side_by_side(self, bench):
        made = bench(gpus=2, gpu={"execute_ns": 5 * MS})
        for _ in range(20):
            made.submit(np.arange(16))
        made.runner.drain()
        assert [len(plan.executed) for plan in made.plans] == [10, 10]
        both = [span for gpu in made.gpus for span in spans(gpu, COMPUTE)]
        assert max(span.end for span in both) - min(span.start for span in both) < 75 * MS

    def test_the_first_batches_go_to_different_ones(self, bench):
        made = bench(gpus=2, gpu={"execute_ns": 20 * MS})
        for _ in range(2):
            made.submit([1])
        made.runner.drain()
        assert [len(plan.executed) for plan in made.plans] == [1, 1]


class TestGathering:
    @pytest.mark.parametrize(
        ("costs", "best"),
        [
            ({"copy_ns": 20_000, "batch_ns": 90_000, "kernel_ns": 90_000}, "copies"),
            ({"copy_ns": 90_000, "batch_ns": 20_000, "kernel_ns": 90_000}, "batch"),
            # Faster by itself, but it takes the engine's own multiprocessors.
            ({"copy_ns": 60_000, "batch_ns": 90_000, "kernel_ns": 30_000, "execute_ns": MS}, "copies"),
            ({"copy_ns": 300_000, "batch_ns": 300_000, "kernel_ns": 30_000}, "kernel"),
        ],
    )
    def test_the_fastest_beside_execution_is_taken_and_said(self, bench, costs, best, capfd):
        made = bench(gpu={"execute_ns": 100_000, **costs})
        assert f"GPU 0: Batches are gathered by {best}: ms for each batch of 16" in capfd.readouterr().err
        made.submit(SCATTERED)
        made.runner.drain()
        assert list(made.sink.outputs.values()) == made.answers(SCATTERED)

    def test_the_config_may_name_one(self, bench, capfd):
        made = bench(gather="batch", gpu={"batch_ns": 10})
        assert "by batch, as backend.options.gather says" in capfd.readouterr().err
        made.submit(SCATTERED)
        made.runner.drain()
        assert list(made.sink.outputs.values()) == made.answers(SCATTERED)

    def test_one_that_does_not_work_here_is_refused(self, bench):
        with pytest.raises(RunFailed, match=r"gather=kernel does not work here. This GPU is simulated"):
            bench(gather="kernel")

    def test_rows_that_a_kernel_cannot_copy_leave_it_out(self, bench, capfd):
        bench(gpu={"copy_ns": 1000, "kernel_ns": 1, "batch_ns": 2000}, width=3)
        assert "The kernel copies 16 bytes at once, and samples have 24." in capfd.readouterr().err

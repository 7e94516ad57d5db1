"""Faults: what the library, CUDA or the data do wrong fails samples or ends the run, with a sentence; nothing hangs."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from samples_and_sink import Forward
from simulated_gpu import MS, SimulatedGpu

from harness.backends.tensorrt.device import Do
from harness.loadgen.runner import Ended
from harness.loadgen.sut import SUT, Answers
from mlperf_registry.schema.components import PerComponent
from mlperf_registry.schema.problem import RunFailed


def in_time(work, seconds=5):
    """What ``work`` raises, or None; fails where it takes longer."""
    raised = []

    def body():
        try:
            work()
        except Exception as error:
            raised.append(error)

    thread = threading.Thread(target=body, daemon=True)
    thread.start()
    thread.join(seconds)
    assert not thread.is_alive(), "it hangs"
    return raised[0] if raised else None


@pytest.mark.parametrize("scenario", ["Offline", "SingleStream"])
def test_a_batch_that_the_library_refuses_fails_its_samples_and_the_next_one_works(bench, scenario):
    made = bench(scenario)
    made.plan.refuse = True
    refused = made.submit([1, 2])
    made.runner.drain()
    assert made.sink.failed == dict.fromkeys(refused.tolist(), "TensorRT simulated did not enqueue a batch.")
    made.plan.refuse = False
    made.submit([3])
    made.runner.drain()
    assert list(made.sink.outputs.values()) == made.answers([3])


@pytest.mark.parametrize("kind", [Do.GATHER_COPIES, Do.WAIT, Do.COPY, Do.RECORD])
def test_a_step_that_cuda_refuses_fails_one_batch_and_frees_its_lane(bench, kind):
    made = bench(gpu={"execute_ns": MS})
    faults = [RunFailed("CUDA does not take the step: cudaErrorInvalidValue.")]

    def fault(step):
        if step.do == kind and faults:
            raise faults.pop()

    made.gpu.fault = fault
    for _ in range(12):
        made.submit(np.arange(16))
    made.runner.drain()
    assert len(made.sink.failed) == 16
    assert len(made.sink.outputs) == 11 * 16


STICKY = "CUDA does not finish a batch: cudaErrorIllegalAddress (an illegal memory access was encountered)."


@pytest.mark.parametrize("runtime", [{}, {"use_cuda_thread_per_device": True}, {"complete_threads": 3}])
def test_a_sticky_error_ends_the_run_with_every_sample_answered(bench, runtime):
    made = bench(runtime=runtime, gpu={"execute_ns": 2 * MS})
    for _ in range(3):
        made.submit(np.arange(16))
    made.gpu.dead = RunFailed(STICKY)

    def submit_on():
        for _ in range(20):
            made.submit([1])

    error = in_time(submit_on)
    assert isinstance(error, RunFailed)
    assert str(error) == f"GPU 0 does no more work in this process. {STICKY}"
    assert isinstance(in_time(made.runner.drain), RunFailed)
    assert in_time(made.runner.close) is None
    answered = made.sink.failed.keys() | made.sink.outputs.keys()
    # The one that submit raised for is answered by the SUT.
    assert answered >= set(range(made.issued - 1))


def test_a_sticky_error_ends_the_run_where_one_query_comes_at_a_time(bench):
    made = bench("SingleStream", batch_size=1)
    immediate = made.runner.immediate
    immediate.begin([3])
    assert immediate.end().tolist() == made.answers([3])
    made.runner.drain()
    made.gpu.dead = RunFailed(STICKY)
    for _ in range(2):
        with pytest.raises(Ended, match="GPU 0 does no more work"):
            immediate.begin([3])
            immediate.end()
    with pytest.raises(Ended, match="GPU 0 does no more work"):
        made.runner.drain()


def test_a_sticky_error_reaches_loadgen_as_a_broken_sut(bench):
    answered = []
    sut_sink = Forward()
    made = bench(gpu={"execute_ns": 2 * MS}, sink=sut_sink)
    sut = SUT(made.runner, batch_size=16, answers=Answers(answered.extend, answered.extend))
    sut_sink.sut = sut
    broken = threading.Event()
    sut.on_broken = broken.set
    sut.issue(list(range(64)), list(range(64)))
    made.gpu.dead = RunFailed(STICKY)
    for _ in range(10):
        sut.issue(list(range(64)), list(range(64)))
    assert broken.wait(5)
    assert in_time(sut.stop) is None
    assert "GPU 0 does no more work" in str(sut.broken)
    assert sut.samples.completed == sut.samples.issued == 11 * 64
    assert len(answered) == 11 * 64


def test_a_fault_of_this_code_ends_the_run(bench):
    made = bench()

    def fault(step):
        raise ZeroDivisionError("division by zero")

    made.gpu.fault = fault
    made.submit([1])
    assert isinstance(in_time(made.runner.drain), ZeroDivisionError)
    assert made.sink.failed == {0: "division by zero"}


def test_a_fault_of_this_code_on_the_way_out_of_another_ends_the_run(bench, monkeypatch):
    made = bench()

    def fault(stream):
        raise ZeroDivisionError("division by zero")

    with monkeypatch.context() as patched:
        patched.setattr(made.gpu, "synchronize", fault)
        made.plan.refuse = True
        made.submit([1])
    assert isinstance(in_time(made.runner.drain), ZeroDivisionError)
    assert made.sink.failed == {0: "division by zero"}


class Forgetful:
    """A Sink that has no memory for what it is told."""

    def complete(self, ids, outputs, token_counts=None):
        raise MemoryError("no room")

    def fail(self, ids, reason):
        raise MemoryError("no room")


def submits(made, count):
    for _ in range(count):
        made.submit([1])


@pytest.mark.parametrize("refuse", [False, True], ids=["an answer", "a failure"])
@pytest.mark.parametrize("runtime", [{}, {"use_cuda_thread_per_device": True}, {"complete_threads": 2}])
def test_a_sink_that_raises_ends_the_run(bench, runtime, refuse):
    made = bench(runtime=runtime, sink=Forgetful())
    made.plan.refuse = refuse
    made.submit([1])
    assert isinstance(in_time(made.runner.drain), MemoryError)
    assert isinstance(in_time(lambda: submits(made, 20)), MemoryError)
    assert in_time(made.runner.close) is None


@pytest.mark.parametrize("runtime", [{}, {"use_cuda_thread_per_device": True}])
def test_a_fault_of_a_thread_ends_the_run_and_what_is_on_its_way_is_waited_for(bench, runtime, monkeypatch):
    made = bench(runtime=runtime, gpu={"execute_ns": 5 * MS})
    released, faults = made.runner.released, [ZeroDivisionError("division by zero")]

    def fault():
        if faults:
            raise faults.pop()
        released()

    monkeypatch.setattr(made.runner, "released", fault)
    submits(made, 2)
    assert isinstance(in_time(made.runner.drain), ZeroDivisionError)
    assert isinstance(in_time(lambda: submits(made, 20)), ZeroDivisionError)
    assert in_time(made.runner.close) is None
    assert len(made.sink.outputs) == 1


def test_a_gpu_that_the_submitting_thread_cannot_use_fails_the_batch_and_frees_its_lane(bench, monkeypatch):
    made = bench()

    def refuse():
        raise RunFailed("CUDA does not use GPU 0.")

    with monkeypatch.context() as patched:
        patched.setattr(made.gpu, "attach", refuse)
        made.submit([1])
    assert in_time(made.runner.drain) is None
    assert made.sink.failed == {0: "CUDA does not use GPU 0."}
    for _ in range(5):
        made.submit([2])
    assert in_time(made.runner.drain) is None
    assert len(made.sink.outputs) == 5


@pytest.mark.parametrize("name", ["gpu0-submission", "gpu1-completion-1"])
def test_a_thread_that_cannot_use_its_gpu_ends_the_run_before_it_begins(bench, monkeypatch, name):
    attach = SimulatedGpu.attach

    def refuse(gpu):
        if threading.current_thread().name == name:
            raise RunFailed(f"CUDA does not use GPU {gpu.number}.")
        attach(gpu)

    monkeypatch.setattr(SimulatedGpu, "attach", refuse)
    error = in_time(lambda: bench(gpus=2, runtime={"complete_threads": 2}))
    assert str(error) == f"CUDA does not use GPU {name[3]}."


def test_memory_that_is_short_says_what_for_and_what_to_lower(bench):
    with pytest.raises(RunFailed, match=r"1024 bytes for output answer, batches of 64: lower builder.gpu_batch_size"):
        bench(batch_size=64, gpu={"memory": 2000})


def test_samples_that_do_not_fit_the_device_say_what_to_lower(bench):
    made = bench(runtime={"start_from_device": True}, load=False, gpu={"memory": 2000})
    with pytest.raises(RunFailed, match=r"1024 bytes for 64 samples of number: lower loadgen.performance_sample_count"):
        made.qsl.load(range(64))


def test_a_batch_over_the_profile_is_refused_at_once(bench):
    with pytest.raises(RunFailed, match=r"builder.gpu_batch_size is 16, and the plan takes batches of up to 8"):
        bench(plan={"max_batch": 8})


def test_a_plan_for_a_dla_is_held_against_the_dlas_batch_size(bench):
    dla = {"dla_core": 0, "dla_batch_size": PerComponent({"resnet50": 8})}
    made = bench(builder=dla, plan={"max_batch": 8, "static_batch": True})
    made.submit([4, 9])
    made.runner.drain()
    assert list(made.sink.outputs.values()) == made.answers([4, 9])
    with pytest.raises(RunFailed, match=r"builder.dla_batch_size is 8, and the plan takes batches of up to 4"):
        bench(builder=dla, plan={"max_batch": 4, "static_batch": True})


def test_more_streams_than_the_plan_has_profiles_are_refused(bench):
    with pytest.raises(RunFailed, match="1 optimisation profiles"):
        bench(runtime={"gpu_inference_streams": 2})


def test_close_waits_for_what_is_on_its_way(bench):
    made = bench(gpu={"execute_ns": 5 * MS})
    for _ in range(3):
        made.submit([1])
    assert in_time(made.runner.close) is None
    assert len(made.sink.outputs) == 3

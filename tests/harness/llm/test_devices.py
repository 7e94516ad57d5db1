"""Which GPUs each instance of a model has."""

from __future__ import annotations

import pytest

from harness.llm.devices import device_groups, visible
from mlperf_registry.registry import Registry
from mlperf_registry.schema.problem import ConfigError, NotReady

CELL = ("benchmark=llama3.1-8b", "scenario=offline", "backend=vllm", "tuned_round=none")


@pytest.fixture(scope="module")
def groups():
    registry = Registry.load()

    def groups_of(system, *overrides):
        return device_groups(registry.structure(registry.compose([*CELL, f"system={system}", *overrides])))

    return groups_of


def test_all_gpus_of_the_system_as_many_instances_as_fit(groups):
    assert groups("DGX-H100_H100-SXM-80GBx1") == ((0,),)
    assert groups("DGX-H100_H100-SXM-80GBx4") == ((0,), (1,), (2,), (3,))
    assert groups("DGX-H100_H100-SXM-80GBx4", "llm.tensor_parallelism=2") == ((0, 1), (2, 3))
    both = ("llm.tensor_parallelism=2", "llm.pipeline_parallelism=2", "runtime.gpu_indices=[4,5,6,7]")
    assert groups("DGX-H100_H100-SXM-80GBx8", *both) == ((4, 5, 6, 7),)


def test_the_map_says_which_belong_together(groups):
    asked = ("llm.tensor_parallelism=2", "llm.gpu_rank_map='0,3&1,2'")
    assert groups("DGX-H100_H100-SXM-80GBx4", *asked) == ((0, 3), (1, 2))


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (("llm.tensor_parallelism=3",), "needs 3 GPUs for each instance"),
        (("llm.tensor_parallelism=2", "llm.gpu_rank_map='0&1'"), "gives an instance 1 GPUs"),
        (("llm.gpu_rank_map='0&0'",), "gives a GPU to two instances"),
    ],
)
def test_groups_that_do_not_come_out_even(groups, overrides, words):
    with pytest.raises(ConfigError, match=words):
        groups("DGX-H100_H100-SXM-80GBx4", *overrides)


def test_indices_count_the_gpus_that_this_process_sees(monkeypatch):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert visible((1, 2)) == "1,2"
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,GPU-8f,6")
    assert visible((1, 2)) == "GPU-8f,6"
    with pytest.raises(NotReady, match="shows 3 here"):
        visible((3,))

"""What sections answer beyond their fields."""

from __future__ import annotations

import attrs
import pytest

from mlperf_registry.schema.components import PerComponent
from mlperf_registry.schema.problem import NotReady
from mlperf_registry.schema.sections import Builder


def test_the_batch_size_of_an_engine_or_how_to_set_it():
    builder = Builder(gpu_batch_size=PerComponent({"unet": 8}))
    assert builder.samples_at_once("unet") == 8
    for unset in (builder, Builder()):
        with pytest.raises(NotReady, match=r"give builder\.gpu_batch_size\.vae=N"):
            unset.samples_at_once("vae")


def test_an_engine_for_a_dla_has_its_own_batch_size():
    builder = Builder(
        dla_core=0, gpu_batch_size=PerComponent({"resnet50": 64}), dla_batch_size=PerComponent({"resnet50": 32})
    )
    assert builder.samples_at_once("resnet50") == 32
    # Tuned for engines that are halves of the network, as NVIDIA's for Orin.
    halves = attrs.evolve(builder, dla_batch_size=PerComponent({"backbone": 2, "topk": 8}))
    with pytest.raises(NotReady, match=r"batch size of resnet50: give builder\.dla_batch_size\.resnet50=N"):
        halves.samples_at_once("resnet50")

"""What sections answer beyond their fields."""

from __future__ import annotations

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

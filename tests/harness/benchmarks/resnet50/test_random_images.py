"""Random images: the same each time, each its own, and with the statistics of photographs."""

from __future__ import annotations

import attrs
import numpy as np
import pytest

from harness.benchmarks.resnet50.random_images import open_random_images
from mlperf_registry import Registry
from mlperf_registry.schema.problem import NotReady


@pytest.fixture(scope="module", params=["resnet50", "resnet50-mini"])
def workload(request):
    return Registry.load().get(system="generic_cpu", benchmark=request.param, scenario="offline")


def test_images_depend_on_their_index_alone(workload):
    images = open_random_images(workload.data, workload.benchmark.options)
    first, again = (images.load(np.array(indices))["image"] for indices in ([3, 40, 5], [5, 3, 40]))
    assert np.array_equal(first, again[[1, 2, 0]])
    assert len({row.tobytes() for row in first}) == 3
    assert len(images) == workload.data.sample_count


def test_pixels_are_those_of_photographs(workload):
    options = workload.benchmark.options
    image = open_random_images(workload.data, options).load(np.arange(32))["image"]
    assert image.dtype == np.float32 and image.flags.c_contiguous
    assert image.shape == (32, options.channels, options.height, options.width)
    mean, scale = (np.reshape(values, (-1, 1, 1)) for values in (options.mean, options.scale))
    pixels = image * scale + mean
    assert np.abs(pixels - np.rint(pixels)).max() < 1e-3 and pixels.min() > -1e-3 and pixels.max() < 255.001
    assert 35 < pixels.std() < 75
    neighbours = np.corrcoef(pixels[..., 1:].ravel(), pixels[..., :-1].ravel())[0, 1]
    assert neighbours > 0.7


def test_without_a_count_it_is_asked_for(workload):
    with pytest.raises(NotReady, match="sample_count"):
        open_random_images(attrs.evolve(workload.data, sample_count=None), workload.benchmark.options)

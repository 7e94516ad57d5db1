"""The calibration set: found beside the data, prepared like it, and never images that are scored."""

from __future__ import annotations

import attrs
import numpy as np
import pytest

from harness.benchmarks.resnet50.calibration import IDX_FILE, open_calibration_set
from harness.benchmarks.resnet50.idx import read_idx
from mlperf_registry import Registry, plugins
from mlperf_registry.roots import resolve_path
from mlperf_registry.schema.problem import NotReady

Image = pytest.importorskip("PIL.Image")


@pytest.fixture(scope="module")
def mini():
    return Registry.load().get(system="generic_cpu", benchmark="resnet50-mini", scenario="offline")


def test_the_mini_calibrates_with_500_images_that_are_not_tested(mini):
    images = plugins.open_calibration_set(mini, None)
    columns = images.load(np.arange(len(images)))
    assert len(images) == 500 and columns["image"].shape == (500, 1, 28, 28)
    assert abs(columns["image"].mean()) < 0.05 and abs(columns["image"].std() - 1) < 0.05
    tested = {image.tobytes() for image in read_idx(resolve_path(mini.data.path, None, source="", kind="file"))}
    assert not [image for image in images.pixels if image.tobytes() in tested]


def test_imagenets_list_names_images_of_the_validation_set(tmp_path):
    workload = Registry.load().get(system="generic_cpu", benchmark="resnet50", scenario="offline")
    folder = tmp_path / "data" / "imagenet"
    folder.mkdir(parents=True)
    for name in ("a", "b", "c"):
        Image.new("RGB", (300, 260)).save(folder / f"{name}.JPEG")
    with pytest.raises(NotReady, match="calibration list"):
        plugins.open_calibration_set(workload, tmp_path)
    (folder / "cal_map.txt").write_text("c.JPEG 1\na.JPEG 2\n")
    images = plugins.open_calibration_set(workload, tmp_path)
    assert len(images) == 2 and images.load(np.array([1]))["image"].shape == (1, 3, 224, 224)


def test_a_random_network_calibrates_with_random_images(mini):
    model = attrs.evolve(mini.model, weights="random")
    assert len(plugins.open_calibration_set(attrs.evolve(mini, model=model), None)) == 10_000


def test_a_set_that_is_missing_or_of_other_images_is_said(mini, tmp_path):
    builder = attrs.evolve(mini.builder, calib_data_dir=str(tmp_path))
    with pytest.raises(NotReady, match=IDX_FILE):
        open_calibration_set(mini.data, builder, mini.benchmark.options, None)
    with pytest.raises(NotReady, match="28"):
        open_calibration_set(mini.data, mini.builder, attrs.evolve(mini.benchmark.options, width=32), None)

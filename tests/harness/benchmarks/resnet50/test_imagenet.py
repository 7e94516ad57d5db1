"""The full benchmark's data on a tiny ImageNet: preprocessing, the tensors kept, and what is said when data lacks."""

from __future__ import annotations

import builtins
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import numpy.typing as npt
import pytest

from harness.benchmarks.resnet50.data import LabelledImages, open_images
from mlperf_registry.schema.benchmarks.resnet50 import ResNet50Options
from mlperf_registry.schema.problem import ConfigError, NotReady
from mlperf_registry.schema.sections import Data

Image = pytest.importorskip("PIL.Image")

OPTIONS = ResNet50Options(
    image_source="imagenet",
    height=224,
    width=224,
    channels=3,
    resize=256,
    mean=(123.68, 116.78, 103.94),
    scale=(1.0, 1.0, 1.0),
    label_offset=1,
)
DATA = Data(
    path="data/imagenet",
    map_path="data/imagenet/val_map.txt",
    tensor_path="preprocessed_data/imagenet/ResNet50/fp32",
    source="the ILSVRC2012 validation set from image-net.org",
    sample_count=4,
)
SIZES = ((500, 375), (375, 500), (640, 427), (300, 240))


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    folder = tmp_path / DATA.path
    folder.mkdir(parents=True)
    lines = []
    for number, (width, height) in enumerate(SIZES, start=1):
        y, x, channel = np.ogrid[:height, :width, :3]
        waves = 127 + 120 * np.sin((x * (number + channel) + y * 3) / 40.0)
        name = f"ILSVRC2012_val_{number:08}.JPEG"
        image = Image.fromarray(waves.astype(np.uint8))
        if number == 3:
            image = image.convert("L")  # some of ImageNet's images are grey
        image.save(folder / name, quality=90)
        lines.append(f"{name} {number * 100}\n")
    (tmp_path / str(DATA.map_path)).write_text("".join(lines))
    return tmp_path


def opened(scratch: Path | None, data: Data = DATA, options: ResNet50Options = OPTIONS) -> LabelledImages:
    return open_images(data, options, scratch)


def reference(path: Path) -> npt.NDArray[np.float32]:
    """pre_process_vgg written anew: area means by running sums instead of weights."""

    def shrunk(pixels: npt.NDArray[np.float64], target: int) -> npt.NDArray[np.float64]:
        edges = np.linspace(0, len(pixels), target + 1)
        sums = np.concatenate([np.zeros((1, *pixels.shape[1:])), np.cumsum(pixels, axis=0)])
        whole = np.minimum(edges.astype(int), len(pixels) - 1)
        at_edges = sums[whole] + (edges - whole)[:, None, None] * pixels[whole]
        means: npt.NDArray[np.float64] = np.diff(at_edges, axis=0) * (target / len(pixels))
        return means

    pixels = np.asarray(Image.open(path).convert("RGB"), np.float64)
    height, width, _ = pixels.shape
    rows, columns = (int(256 * height / width), 256) if height > width else (256, int(256 * width / height))
    pixels = shrunk(shrunk(pixels, rows).swapaxes(0, 1), columns).swapaxes(0, 1)
    top, left = (rows - 224) // 2, (columns - 224) // 2
    pixels = np.rint(pixels[top : top + 224, left : left + 224])
    return (pixels - np.array([123.68, 116.78, 103.94])).transpose(2, 0, 1).astype(np.float32)


def test_images_are_prepared_as_the_reference_does(scratch: Path) -> None:
    dataset = opened(scratch)
    batch = dataset.load(np.array([2, 0, 1]))["image"]
    assert (batch.dtype, batch.shape, batch.flags.c_contiguous) == (np.float32, (3, 3, 224, 224), True)
    for row, number in enumerate((3, 1, 2)):
        expected = reference(scratch / DATA.path / f"ILSVRC2012_val_{number:08}.JPEG")
        difference = np.abs(batch[row] - expected)
        # Sums in another order may round one pixel in some thousands the other way.
        assert difference.max() <= 1.001
        assert (difference > 0.001).mean() < 1e-3


def test_labels_are_those_of_the_list(scratch: Path) -> None:
    dataset = opened(scratch)
    assert len(dataset) == 4
    assert dataset.labels.tolist() == [100, 200, 300, 400]


def test_prepared_images_are_kept(scratch: Path) -> None:
    dataset = opened(scratch)
    first = dataset.load(np.arange(4))["image"]
    tensors = scratch / str(DATA.tensor_path)
    assert sorted(path.name for path in tensors.iterdir()) == [
        *(f"ILSVRC2012_val_{number:08}.JPEG.npy" for number in range(1, 5)),
        "preprocessing.json",
    ]
    for number in range(1, 5):
        (scratch / DATA.path / f"ILSVRC2012_val_{number:08}.JPEG").write_bytes(b"no longer read")
    assert (opened(scratch).load(np.arange(4))["image"] == first).all()


@pytest.mark.parametrize("damage", [b"", b"\x93NUMPY\x01", None], ids=["empty", "cut off", "other shape"])
def test_a_damaged_tensor_is_made_anew(scratch: Path, damage: bytes | None) -> None:
    first = opened(scratch).load(np.arange(4))["image"]
    tensor = scratch / str(DATA.tensor_path) / "ILSVRC2012_val_00000002.JPEG.npy"
    if damage is None:
        np.save(tensor, np.zeros((3, 8, 8), np.float32))
    else:
        tensor.write_bytes(damage)
    assert (opened(scratch).load(np.arange(4))["image"] == first).all()


def test_tensors_of_other_options_are_never_used(scratch: Path) -> None:
    opened(scratch).load(np.arange(1))
    with pytest.raises(NotReady, match="prepared otherwise"):
        opened(scratch, options=attrs.evolve(OPTIONS, mean=(0.0, 0.0, 0.0)))
    opened(scratch, options=attrs.evolve(OPTIONS, label_offset=0))  # changes no pixel
    (scratch / str(DATA.tensor_path) / "preprocessing.json").unlink()
    with pytest.raises(NotReady, match="no record of how"):
        opened(scratch)


def test_no_scratch_space(scratch: Path) -> None:
    with pytest.raises(NotReady, match="MLPERF_SCRATCH_PATH"):
        opened(None)


def test_a_missing_data_set_says_what_from_where_and_where_to(tmp_path: Path) -> None:
    with pytest.raises(NotReady) as caught:
        opened(tmp_path)
    sentence = str(caught.value)
    assert DATA.source in sentence
    assert str(tmp_path / "data/imagenet") in sentence
    assert caught.value.exit_code == 3


def test_missing_images_are_counted_and_named(scratch: Path) -> None:
    (scratch / DATA.path / "ILSVRC2012_val_00000002.JPEG").unlink()
    (scratch / DATA.path / "ILSVRC2012_val_00000004.JPEG").unlink()
    with pytest.raises(NotReady, match=r"lacks 2 of the 4 .*ILSVRC2012_val_00000002\.JPEG the first"):
        opened(scratch)


def test_a_part_of_the_set_must_be_asked_for(scratch: Path) -> None:
    with pytest.raises(NotReady, match=r"lists 4 images.*50000.*data\.sample_count=4"):
        opened(scratch, attrs.evolve(DATA, sample_count=50000))


def test_a_list_of_another_form(scratch: Path) -> None:
    (scratch / str(DATA.map_path)).write_text("ILSVRC2012_val_00000001.JPEG 65\nILSVRC2012_val_00000002.JPEG\n")
    with pytest.raises(NotReady, match=r"val_map\.txt:2"):
        opened(scratch)


def test_a_damaged_image(scratch: Path) -> None:
    (scratch / DATA.path / "ILSVRC2012_val_00000001.JPEG").write_bytes(b"\xff\xd8 not a JPEG")
    with pytest.raises(NotReady, match=r"ILSVRC2012_val_00000001\.JPEG cannot be decoded"):
        opened(scratch).load(np.arange(1))


def test_without_pillow(scratch: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without_pillow(name: str, *arguments: Any, **named: Any) -> Any:
        if name.partition(".")[0] == "PIL":
            raise ImportError("No module named 'PIL'")
        return real(name, *arguments, **named)

    monkeypatch.setattr(builtins, "__import__", without_pillow)
    with pytest.raises(NotReady, match=r"pip install 'mlperf-registry\[imagenet\]'"):
        opened(scratch).load(np.arange(1))


def test_options_that_contradict_each_other_are_all_told(scratch: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        opened(
            scratch,
            attrs.evolve(DATA, tensor_path=None, map_path=None),
            attrs.evolve(OPTIONS, mean=(0.0,), scale=(1.0, 0.0, 1.0), resize=100),
        )
    assert {problem.path for problem in caught.value.problems} == {
        "benchmark.options.mean",
        "benchmark.options.scale",
        "benchmark.options.resize",
        "data.map_path",
        "data.tensor_path",
    }


def test_a_list_that_is_no_text(scratch: Path) -> None:
    (scratch / str(DATA.map_path)).write_bytes(b"\xff\xfe 65\n")
    with pytest.raises(NotReady, match=r"val_map\.txt cannot be read: .*Get MLPerf's"):
        opened(scratch)


def test_a_folder_where_a_file_belongs_and_the_other_way_round(scratch: Path) -> None:
    with pytest.raises(NotReady, match=r"imagenet is no file"):
        opened(scratch, attrs.evolve(DATA, map_path=DATA.path))
    with pytest.raises(NotReady, match=r"val_map\.txt is no folder of images"):
        opened(scratch, attrs.evolve(DATA, path=str(DATA.map_path)))

"""Top-1 from an accuracy log: the figure, the checker's line, and what is refused."""

from __future__ import annotations

import json
import re
from pathlib import Path

import attrs
import numpy as np
import numpy.typing as npt
import pytest

from harness.benchmarks.resnet50.accuracy import labels, top1
from mlperf_registry.schema.benchmarks.resnet50 import ResNet50Options
from mlperf_registry.schema.problem import RunFailed

CHECKER = re.compile(r"^(?:\{\"accuracy|accuracy)[\": ]*=?\s*([\d\.]+).*")
"""ACC_PATTERN["acc"] of the official submission checker, applied with re.match to each line."""


@attrs.frozen(eq=False)
class Labels:
    labels: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.labels)

    def load(self, indices: npt.NDArray[np.int64]) -> dict[str, npt.NDArray[np.generic]]:
        raise AssertionError("accuracy needs no images")


def options(label_offset: int = 0) -> ResNet50Options:
    return ResNet50Options(
        image_source="idx", height=28, width=28, channels=1, mean=(0.0,), scale=(1.0,), label_offset=label_offset
    )


def write_log(path: Path, classes: npt.NDArray[np.generic]) -> Path:
    # Out of order, as a log of several streams is.
    entries = [
        {"seq_id": seq, "qsl_idx": int(index), "data": classes[index].tobytes().hex().upper()}
        for seq, index in enumerate(reversed(range(len(classes))))
    ]
    path.write_text(json.dumps(entries))
    return path


@pytest.mark.parametrize("dtype", [np.int32, np.int64])
def test_the_share_of_right_labels(tmp_path: Path, dtype: type) -> None:
    right = np.arange(1000) % 10
    answered = right.copy()
    answered[:87] = (answered[:87] + 1) % 10
    score = top1(write_log(tmp_path / "log", answered.astype(dtype)), Labels(right), options())
    assert score.values == {"acc": pytest.approx(91.3)}
    assert score.samples == 1000
    assert score.text == "accuracy=91.300%, good=913, total=1000\n"


@pytest.mark.parametrize("dtype", [np.int32, np.int64])
def test_loadgen_is_answered_labels_and_not_the_classes_of_a_network_that_counts_the_background(dtype: type) -> None:
    classes = np.array([1, 66, 1000], dtype)
    answered = labels(classes, options(label_offset=1))
    assert answered.tolist() == [0, 65, 999] and answered.dtype == dtype
    assert labels(classes, options()) is classes


def test_the_official_checker_reads_the_line(tmp_path: Path) -> None:
    score = top1(write_log(tmp_path / "log", np.array([1, 2, 0])), Labels(np.array([1, 2, 3])), options())
    found = [match.group(1) for line in score.text.splitlines() if (match := CHECKER.match(line))]
    assert found == ["66.667"]


def test_a_sample_without_a_response_counts_as_wrong(tmp_path: Path) -> None:
    score = top1(write_log(tmp_path / "log", np.array([1, 2])), Labels(np.array([1, 2, 3, 4])), options())
    assert score.values["acc"] == 50.0
    assert score.samples == 2


@pytest.mark.parametrize(
    ("responses", "said"),
    [
        (np.zeros((2, 10), np.float32), "bytes are not one int32 or int64"),
        (np.array([0.5, 0.25], np.float32), "no class"),
        (np.array([-1, 0]), "no class"),
        (np.array([0, 0, 0, 0]), "ends at 2"),
    ],
    ids=["scores", "floats", "negative", "other data set"],
)
def test_what_is_no_class_of_this_data_set_is_refused(
    tmp_path: Path, responses: npt.NDArray[np.generic], said: str
) -> None:
    with pytest.raises(RunFailed, match=said):
        top1(write_log(tmp_path / "log", responses), Labels(np.array([1, 2, 3])), options())


def test_the_background_class_is_a_wrong_answer_and_costs_no_run(tmp_path: Path) -> None:
    right, offset = np.array([0, 1, 2, 3]), options(label_offset=1)
    answered = labels(np.array([0, 2, 3, 4]), offset)
    assert answered[0] == -1
    assert top1(write_log(tmp_path / "log", answered), Labels(right), offset).values == {"acc": 75.0}
    with pytest.raises(RunFailed, match="-2 as an integer"):
        top1(write_log(tmp_path / "log", answered - 1), Labels(right), offset)


ANSWERED = '{"seq_id": 0, "qsl_idx": 0, "data": "0100000000000000"}'
FAILED = '{"seq_id": 1, "qsl_idx": 1, "data": ""}'


def test_a_sample_that_failed_counts_as_wrong(tmp_path: Path) -> None:
    log, dataset = tmp_path / "log", Labels(np.array([1, 2]))
    log.write_text(f"[{ANSWERED}, {FAILED}]")
    score = top1(log, dataset, options())
    assert (score.values["acc"], score.samples) == (50.0, 1)
    log.write_text(f"[{FAILED}]")
    assert top1(log, dataset, options()).values["acc"] == 0.0


def test_a_response_cut_short_is_refused(tmp_path: Path) -> None:
    log = tmp_path / "log"
    short = FAILED.replace(': ""', ': "0100"')
    log.write_text(f"[{ANSWERED}, {short}]")
    with pytest.raises(RunFailed, match="2, 8 bytes"):
        top1(log, Labels(np.array([1, 2])), options())

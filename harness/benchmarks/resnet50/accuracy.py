"""What a network's classes are worth: the labels that LoadGen is answered, and the top-1 accuracy of their log."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from harness.benchmarks.accuracy_log import read_accuracy_log
from harness.benchmarks.dataset import Score
from harness.benchmarks.resnet50.data import LabelledImages
from mlperf_registry.schema.benchmarks.resnet50 import ResNet50Options
from mlperf_registry.schema.problem import RunFailed

_DTYPES: dict[int, np.dtype[np.signedinteger[Any]]] = {4: np.dtype("<i4"), 8: np.dtype("<i8")}
"""Bytes of a response to its type: engines answer with the class as int32 or int64."""

_MOST_CLASSES = 1 << 16
"""Far above any classifier's, far below what a float's bits are as an integer."""


def labels(classes: npt.NDArray[np.generic], options: ResNet50Options) -> npt.NDArray[np.generic]:
    """The labels, shape [n], of the network's classes: MLPerf's ResNet-50 counts a background class as 0.

    Taken off before LoadGen is answered, as the reference implementation does, so that its own accuracy script agrees.
    """
    return classes if options.label_offset == 0 else np.subtract(classes, options.label_offset, dtype=classes.dtype)


def top1(log: Path, dataset: LabelledImages, options: ResNet50Options) -> Score:
    """Metric ``acc``, in percent of all samples of the data set; one without a response counts as wrong.

    So does one whose response is empty, which is how LoadGen is told of a sample that failed. The line is that of
    MLPerf's reference, vision/classification_and_detection/tools/accuracy-imagenet.py.

    Raises:
        RunFailed: when the log is damaged, or its responses are no classes of this data set.
    """
    responses = {index: response for index, response in read_accuracy_log(log).items() if response}
    indices = np.fromiter(responses, np.int64, len(responses))
    outside = indices[(indices < 0) | (indices >= len(dataset))]
    if outside.size:
        raise RunFailed(f"{log} has a response for sample {outside[0]}, and the data set ends at {len(dataset) - 1}.")
    good = int(np.count_nonzero(predicted(responses, options) == dataset.labels[indices]))
    accuracy = 100.0 * good / len(dataset)
    text = f"accuracy={accuracy:.3f}%, good={good}, total={len(dataset)}\n"
    return Score(values={"acc": accuracy}, samples=len(indices), text=text)


def predicted(responses: dict[int, bytes], options: ResNet50Options) -> npt.NDArray[np.int64]:
    """The label in each response, in their order, shape [n]; negative where the network said background.

    Raises:
        RunFailed: when a response is not one integer of 4 or 8 bytes.
    """
    sizes = sorted({len(response) for response in responses.values()})
    if not sizes:
        return np.empty(0, np.int64)
    if len(sizes) != 1 or sizes[0] not in _DTYPES:
        raise RunFailed(
            f"Responses of {', '.join(map(str, sizes))} bytes are not one int32 or int64 class each: "
            "model.output_name must name the output that holds the class (ArgMax), not scores."
        )
    found: npt.NDArray[np.int64] = np.frombuffer(b"".join(responses.values()), _DTYPES[sizes[0]]).astype(np.int64)
    # Class 0 of a network that counts the background has no label, and is a wrong answer like any other.
    outside = found[(found < -options.label_offset) | (found >= _MOST_CLASSES)]
    if outside.size:
        raise RunFailed(
            f"A response is {outside[0]} as an integer, which is no class: model.output_name may name floats."
        )
    return found

"""GGUF: settings and weights as they were written, in each format, and files that are none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tiny_gguf import METADATA, write_gguf, write_llama

from harness.llm.gguf import Gguf
from mlperf_registry.schema.problem import NotReady

HALF = np.array([0.5], np.float16).tobytes()
LEAST = np.array([-3.0], np.float16).tobytes()
NIBBLES = bytes(low | (15 - low) << 4 for low in range(16))
COUNTED = np.arange(16, dtype=np.float32)
BLOCKS = {
    "F32": (0, np.arange(4, dtype=np.float32).tobytes(), np.arange(4)),
    "F16": (1, np.arange(4, dtype=np.float16).tobytes(), np.arange(4)),
    "BF16": (30, (np.arange(4, dtype=np.float32).view(np.uint32) >> 16).astype(np.uint16).tobytes(), np.arange(4)),
    "Q4_0": (2, HALF + NIBBLES, np.concatenate((COUNTED - 8, 7 - COUNTED)) / 2),
    "Q4_1": (3, HALF + LEAST + NIBBLES, np.concatenate((COUNTED, 15 - COUNTED)) / 2 - 3),
    "Q8_0": (8, HALF + np.arange(-16, 16, dtype=np.int8).tobytes(), np.arange(-16, 16) / 2),
}


@pytest.mark.parametrize("name", BLOCKS)
def test_weights_are_the_numbers_that_their_blocks_stand_for(tmp_path: Path, name: str) -> None:
    kind, content, wanted = BLOCKS[name]
    other = (0, (1,), np.float32(7).tobytes())
    path = write_gguf(tmp_path / "m.gguf", {}, {"before": other, "w": (kind, (2, len(wanted) // 2), content)})
    np.testing.assert_array_equal(Gguf.read(path).weights("w"), wanted.reshape(2, -1))


def test_settings_come_as_they_were_written(tmp_path: Path) -> None:
    write_llama(tmp_path / "m.gguf")
    found = Gguf.read(tmp_path / "m.gguf").metadata
    assert found == {**METADATA, "llama.attention.layer_norm_rms_epsilon": pytest.approx(1e-5)}


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"PK\3\4", "is no GGUF file"), (b"GGUF\1" + bytes(30), "version 1"), (b"GGUF\3" + bytes(3), "damaged")],
)
def test_what_is_no_gguf_file_is_said_to_be_none(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "m.gguf"
    path.write_bytes(content)
    with pytest.raises(NotReady, match=said):
        Gguf.read(path)


def test_a_file_that_is_cut_short_says_so_wherever_it_was_cut(tmp_path: Path) -> None:
    path = tmp_path / "m.gguf"
    write_llama(path)
    whole = path.read_bytes()
    for length in (30, 500, len(whole) // 2, len(whole) - 1000):
        path.write_bytes(whole[:length])
        with pytest.raises(NotReady, match="again"):
            file = Gguf.read(path)
            for name in file.tensors:
                file.weights(name)


def test_a_format_that_is_not_read_names_those_that_are(tmp_path: Path) -> None:
    path = write_gguf(tmp_path / "m.gguf", {}, {"w": (14, (256,), bytes(210))})
    with pytest.raises(NotReady, match="Q4_1"):
        Gguf.read(path).weights("w")
    with pytest.raises(NotReady, match="no tensor v"):
        Gguf.read(path).weights("v")

"""Makes an OpenVINO model of a GGUF file with a network of the Llama architecture.

OpenVINO GenAI reads GGUF too, and rounds the least weight of each Q4_1 block to a whole number of steps: SmolLM2-135M
then began 28 of 64 answers with the token that it begins them with in fp32; read as here, all 64.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from harness.backends.openvino.library import import_openvino
from harness.llm.gguf import Gguf, Weights
from mlperf_registry.schema.problem import NotReady

_ARCHITECTURE = "llama"

CONTEXT_LENGTH = "context_length"
"""Where the model says the most tokens that a prompt and its answer may have together."""


def make_network(path: Path) -> Any:
    """The ``openvino.Model``: token ids to logits, float32 [batch, tokens, vocabulary], with its KV cache as state.

    It has the inputs that OpenVINO GenAI feeds: input_ids, attention_mask and position_ids, int64 [batch, tokens], and
    beam_idx, int32 [batch]. Weights are kept in half precision, of which quantised formats use a small part.

    Raises:
        NotReady: when openvino is absent, or the file holds another architecture or a format that is not read.
    """
    return _Llama(Gguf.read(path)).model()


class _Llama:
    """One network, made layer by layer; the methods' names are those of the GGUF file's tensors."""

    def __init__(self, file: Gguf) -> None:
        self._openvino = import_openvino()
        self._op = self._openvino.opset13
        self._file = file
        found = file.metadata.get("general.architecture")
        if found != _ARCHITECTURE:
            raise NotReady(f"{file.path} is a network of the architecture {found}, and {_ARCHITECTURE} is built here.")
        self._layers = int(self._setting("block_count"))
        self._heads = int(self._setting("attention.head_count"))
        self._kv_heads = int(self._setting("attention.head_count_kv"))
        self._width = int(self._setting("embedding_length")) // self._heads
        self._epsilon = float(self._setting("attention.layer_norm_rms_epsilon"))
        self._sinks: list[Any] = []

    def model(self) -> Any:
        op = self._op
        ids, mask, positions = (
            self._named(op.parameter([-1, -1], np.int64), name)
            for name in ("input_ids", "attention_mask", "position_ids")
        )
        beam = self._named(op.parameter([-1], np.int32), "beam_idx")
        batch = op.gather(op.shape_of(ids), [0], 0)
        seen = self._seen(mask, positions)
        rotation = self._rotation(positions)
        embedding = self._constant(self._file.weights("token_embd.weight"))
        hidden = op.gather(embedding, ids, 0)
        for layer in range(self._layers):
            name = f"blk.{layer}"
            hidden = op.add(hidden, self._attention(layer, hidden, batch, beam, rotation, seen))
            hidden = op.add(hidden, self._feed_forward(name, hidden))
        hidden = self._norm("output_norm", hidden)
        # Where the file has no output of its own, words come out by the matrix that they came in by.
        own = self._file.tensors.get("output.weight")
        head = embedding if own is None else self._constant(self._file.weights("output.weight"))
        logits = op.result(op.matmul(hidden, head, False, True), name="logits")
        logits.output(0).tensor.set_names({"logits"})
        model = self._openvino.Model([logits], self._sinks, [ids, mask, positions, beam], self._file.path.stem)
        model.set_rt_info(str(self._setting("context_length")), [CONTEXT_LENGTH])
        return model

    def _attention(self, layer: int, hidden: Any, batch: Any, beam: Any, rotation: Any, seen: Any) -> Any:
        op, name = self._op, f"blk.{layer}"
        x = self._norm(f"{name}.attn_norm", hidden)
        query = self._rotated(self._split(self._linear(f"{name}.attn_q", x, self._heads), self._heads), rotation)
        key = self._rotated(self._split(self._linear(f"{name}.attn_k", x, self._kv_heads), self._kv_heads), rotation)
        value = self._split(self._linear(f"{name}.attn_v", x), self._kv_heads)
        keys = self._shared(self._remembered(f"past_key_values.{layer}.key", key, batch, beam), batch)
        values = self._shared(self._remembered(f"past_key_values.{layer}.value", value, batch, beam), batch)
        attended = op.scaled_dot_product_attention(query, keys, values, seen)
        joined = op.reshape(op.transpose(attended, [0, 2, 1, 3]), [0, 0, self._heads * self._width], True)
        return self._linear(f"{name}.attn_output", joined)

    def _feed_forward(self, name: str, hidden: Any) -> Any:
        op = self._op
        x = self._norm(f"{name}.ffn_norm", hidden)
        gate, up = (self._linear(f"{name}.{matrix}", x) for matrix in ("ffn_gate", "ffn_up"))
        return self._linear(f"{name}.ffn_down", op.multiply(op.swish(gate), up))

    def _norm(self, name: str, x: Any) -> Any:
        op = self._op
        square = op.reduce_mean(op.power(x, np.float32(2)), [-1], True)
        scaled = op.multiply(x, op.divide(np.float32(1), op.sqrt(op.add(square, np.float32(self._epsilon)))))
        return op.multiply(scaled, op.constant(self._file.weights(f"{name}.weight")))

    def _linear(self, name: str, x: Any, heads: int | None = None) -> Any:
        weights = self._file.weights(f"{name}.weight")
        if heads is not None:
            # GGUF puts side by side the two numbers that are rotated together; here they are half a head apart.
            rows, columns = weights.shape
            weights = weights.reshape(heads, rows // heads // 2, 2, columns).swapaxes(1, 2).reshape(rows, columns)
        return self._op.matmul(x, self._constant(weights), False, True)

    def _split(self, x: Any, heads: int) -> Any:
        """[batch, tokens, heads * width] to [batch, heads, tokens, width]."""
        return self._op.transpose(self._op.reshape(x, [0, 0, heads, self._width], True), [0, 2, 1, 3])

    def _remembered(self, name: str, new: Any, batch: Any, beam: Any) -> Any:
        """The keys or values of all tokens so far: the state, and those of the new tokens after it."""
        op = self._op
        empty = op.broadcast(
            np.float32(0), op.concat([batch, *(np.array([n], np.int64) for n in (self._kv_heads, 0, self._width))], 0)
        )
        shape = self._openvino.PartialShape([-1, self._kv_heads, -1, self._width])
        past = op.read_value(empty, name, np.float32, shape)
        all_ = op.concat([op.gather(past, beam, 0), new], 2)
        self._sinks.append(op.assign(all_, name))
        return all_

    def _shared(self, x: Any, batch: Any) -> Any:
        """Keys or values repeated for the query heads that share them."""
        op, times = self._op, self._heads // self._kv_heads
        if times == 1:
            return x
        shape = op.concat([batch, *(np.array([n], np.int64) for n in (self._kv_heads, times, 1, self._width))], 0)
        repeated = op.broadcast(op.unsqueeze(x, 2), shape, "BIDIRECTIONAL")
        return op.reshape(repeated, [0, self._heads, -1, self._width], True)

    def _rotation(self, positions: Any) -> tuple[Any, Any]:
        """Cosine and sine of each token's angles, [batch, 1, tokens, width]."""
        op, width = self._op, self._width
        base = float(self._file.metadata.get(f"{_ARCHITECTURE}.rope.freq_base", 10_000.0))
        frequencies = base ** (-np.arange(0, width, 2, dtype=np.float64) / width)
        turns = np.tile(frequencies, 2).astype(np.float32)
        angles = op.multiply(op.convert(op.unsqueeze(op.unsqueeze(positions, 1), -1), np.float32), turns)
        return op.cos(angles), op.sin(angles)

    def _rotated(self, x: Any, rotation: tuple[Any, Any]) -> Any:
        op, half = self._op, self._width // 2
        cosine, sine = rotation
        low, high = (op.slice(x, [first], [first + half], [1], [3]) for first in (0, half))
        turned = op.concat([op.multiply(high, np.float32(-1)), low], 3)
        return op.add(op.multiply(x, cosine), op.multiply(turned, sine))

    def _seen(self, mask: Any, positions: Any) -> Any:
        """Whether a token sees another: those before it and itself, bool [batch, 1, tokens, all tokens]."""
        op = self._op
        count = op.gather(op.shape_of(mask), np.int64(1), 0)
        before = op.range(np.int64(0), count, np.int64(1), "i64")
        return op.less_equal(before, op.unsqueeze(op.unsqueeze(positions, 1), -1))

    def _constant(self, weights: Weights) -> Any:
        return self._op.convert(self._op.constant(weights.astype(np.float16)), "f32")

    def _setting(self, name: str) -> Any:
        value = self._file.metadata.get(f"{_ARCHITECTURE}.{name}")
        if value is None:
            raise NotReady(f"{self._file.path} does not say its {_ARCHITECTURE}.{name}: convert the model anew.")
        return value

    @staticmethod
    def _named(parameter: Any, name: str) -> Any:
        parameter.set_friendly_name(name)
        parameter.output(0).tensor.set_names({name})
        return parameter

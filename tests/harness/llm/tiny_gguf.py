"""Writes small GGUF files: a Llama of two layers with random weights, and what numpy makes of the same weights."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np

LAYERS, HIDDEN, HEADS, KV_HEADS, WIDTH, FORWARD, VOCABULARY = 2, 64, 4, 2, 16, 96, 80
CONTEXT = 128
BASE, EPSILON = 10_000.0, 1e-5
LETTERS = [chr(code) for code in range(33, 109)]
TOKENS = ["<|end|>", "Ġ", *LETTERS, "ab", "abc"]
METADATA = {
    "general.architecture": "llama",
    "llama.block_count": LAYERS,
    "llama.context_length": CONTEXT,
    "llama.embedding_length": HIDDEN,
    "llama.attention.head_count": HEADS,
    "llama.attention.head_count_kv": KV_HEADS,
    "llama.attention.layer_norm_rms_epsilon": EPSILON,
    "llama.rope.freq_base": BASE,
    "tokenizer.ggml.model": "gpt2",
    "tokenizer.ggml.pre": "smollm",
    "tokenizer.ggml.tokens": TOKENS,
    "tokenizer.ggml.token_type": [3] + [1] * (VOCABULARY - 1),
    "tokenizer.ggml.merges": ["a b", "ab c"],
}


def write_gguf(path: Path, metadata: dict[str, object], tensors: dict[str, tuple[int, tuple[int, ...], bytes]]) -> Path:
    """A file with tensors given as GGUF's format, shape, and bytes."""
    head = [b"GGUF", struct.pack("<IQQ", 3, len(tensors), len(metadata))]
    head += [_string(name) + _value(value) for name, value in metadata.items()]
    data = b""
    for name, (kind, shape, content) in tensors.items():
        sides = struct.pack(f"<I{len(shape)}Q", len(shape), *reversed(shape))
        head.append(_string(name) + sides + struct.pack("<IQ", kind, len(data)))
        data += content + b"\0" * (-len(content) % 32)
    start = b"".join(head)
    path.write_bytes(start + b"\0" * (-len(start) % 32) + data)
    return path


def write_llama(path: Path, **metadata: object) -> dict[str, np.ndarray]:
    """A Llama with random weights in half precision; returns them, by GGUF's names, as float32."""
    random = np.random.default_rng(1)
    shapes = {"token_embd": (VOCABULARY, HIDDEN), "output_norm": (HIDDEN,)}
    for layer in range(LAYERS):
        shapes |= {
            f"blk.{layer}.{name}": shape
            for name, shape in {
                "attn_norm": (HIDDEN,),
                "attn_q": (HEADS * WIDTH, HIDDEN),
                "attn_k": (KV_HEADS * WIDTH, HIDDEN),
                "attn_v": (KV_HEADS * WIDTH, HIDDEN),
                "attn_output": (HIDDEN, HEADS * WIDTH),
                "ffn_norm": (HIDDEN,),
                "ffn_gate": (FORWARD, HIDDEN),
                "ffn_up": (FORWARD, HIDDEN),
                "ffn_down": (HIDDEN, FORWARD),
            }.items()
        }
    weights = {
        f"{name}.weight": (
            1 + random.normal(0, 0.1, shape) if len(shape) == 1 else random.normal(0, 0.3, shape)
        ).astype(np.float16)
        for name, shape in shapes.items()
    }
    tensors = {name: (1, array.shape, array.tobytes()) for name, array in weights.items()}
    write_gguf(path, {**METADATA, **metadata}, tensors)
    return {name: array.astype(np.float32) for name, array in weights.items()}


def likeliest(weights: dict[str, np.ndarray], prompt: list[int], count: int) -> list[int]:
    """The answer of so many tokens that the weights give, each the likeliest."""
    tokens = list(prompt)
    for _ in range(count):
        tokens.append(int(_logits(weights, tokens).argmax()))
    return tokens[len(prompt) :]


def _logits(weights: dict[str, np.ndarray], tokens: list[int]) -> np.ndarray:
    """Of the token after the last, [vocabulary]. GGUF's order of rows: numbers that are rotated together, together."""
    x = weights["token_embd.weight"][tokens]
    count = len(tokens)
    angles = np.arange(count)[:, None] * BASE ** (-np.arange(0, WIDTH, 2) / WIDTH)
    turn = np.exp(1j * angles)[:, None, :]
    mask = np.where(np.tri(count, dtype=bool), 0, -np.inf)

    def norm(name: str, x: np.ndarray) -> np.ndarray:
        return x / np.sqrt((x**2).mean(-1, keepdims=True) + EPSILON) * weights[name]

    def rotated(x: np.ndarray, heads: int) -> np.ndarray:
        pairs = x.reshape(count, heads, WIDTH // 2, 2)
        turned = (pairs[..., 0] + 1j * pairs[..., 1]) * turn
        return np.stack((turned.real, turned.imag), -1).reshape(count, heads, WIDTH)

    for layer in range(LAYERS):
        matrix = {name.split(".")[2]: array for name, array in weights.items() if name.startswith(f"blk.{layer}.")}
        y = norm(f"blk.{layer}.attn_norm.weight", x)
        query = rotated(y @ matrix["attn_q"].T, HEADS)
        key = np.repeat(rotated(y @ matrix["attn_k"].T, KV_HEADS), HEADS // KV_HEADS, 1)
        value = np.repeat((y @ matrix["attn_v"].T).reshape(count, KV_HEADS, WIDTH), HEADS // KV_HEADS, 1)
        scores = np.einsum("qhd,khd->hqk", query, key) / np.sqrt(WIDTH) + mask
        shares = np.exp(scores - scores.max(-1, keepdims=True))
        shares /= shares.sum(-1, keepdims=True)
        x = x + np.einsum("hqk,khd->qhd", shares, value).reshape(count, -1) @ matrix["attn_output"].T
        y = norm(f"blk.{layer}.ffn_norm.weight", x)
        gate = y @ matrix["ffn_gate"].T
        x = x + (gate / (1 + np.exp(-gate)) * (y @ matrix["ffn_up"].T)) @ matrix["ffn_down"].T
    return norm("output_norm.weight", x)[-1] @ weights["token_embd.weight"].T


def _string(text: str) -> bytes:
    return struct.pack("<Q", len(text.encode())) + text.encode()


def _value(value: object) -> bytes:
    if isinstance(value, str):
        return struct.pack("<I", 8) + _string(value)
    if isinstance(value, list):
        kind = 8 if isinstance(value[0], str) else 5
        items = b"".join(_string(item) if kind == 8 else struct.pack("<i", item) for item in value)
        return struct.pack("<IIQ", 9, kind, len(value)) + items
    return struct.pack("<If", 6, value) if isinstance(value, float) else struct.pack("<II", 4, value)

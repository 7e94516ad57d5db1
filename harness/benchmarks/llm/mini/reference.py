"""Makes the reference answers of llama3.1-8b-mini: the same weights in fp32, by PyTorch and transformers.

Run once, to say in the benchmark's YAML what its answers are worth; the README beside it says what came out.

    python reference.py MODEL.gguf accuracy.json         # needs torch, transformers, gguf and accelerate
    mlperf accuracy --benchmark llama3.1-8b-mini --mlperf-accuracy-file accuracy.json --dataset-file docstrings.json \\
        --model-name FOLDER                              # with the model's tokenizer.json
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import torch
import yaml
from transformers import AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM

from harness.llm.gguf_tokenizer import load_gguf_tokenizer

HERE = Path(__file__).parent
CONF = HERE.parents[3] / "conf/benchmark/llama3.1-8b-mini.yaml"
BATCH = 16
END = 2
"""Token that ends an answer, and pads before a prompt."""


def main() -> None:
    """Write the file that the command line names, in the form of LoadGen's accuracy log."""
    model_path, log = map(Path, sys.argv[1:])
    options = yaml.safe_load(CONF.read_text())["benchmark"]["options"]
    tokenizer = load_gguf_tokenizer(model_path)
    pairs = json.loads((HERE / "docstrings.json").read_text())
    prompts = [tokenizer.encode(options["prompt_template"].format(**pair)).ids for pair in pairs]
    answers = _answers(_fp32(model_path), prompts, options["max_output_tokens"])
    log.write_text(
        json.dumps(
            [
                {"seq_id": index, "qsl_idx": index, "data": np.array(answer, np.int32).tobytes().hex().upper()}
                for index, answer in answers.items()
            ]
        )
    )


def _fp32(path: Path) -> LlamaForCausalLM:
    read = AutoModelForCausalLM.from_pretrained(path.parent, gguf_file=path.name, dtype=torch.float32)
    described = read.config.to_dict()
    described.pop("quantization_config", None)
    model = LlamaForCausalLM(LlamaConfig(**described))
    model.load_state_dict({name: weights.float() for name, weights in read.state_dict().items()})
    return model.eval()


def _answers(model: LlamaForCausalLM, prompts: list[list[int]], most: int) -> dict[int, list[int]]:
    """Index of a prompt to its answer, the likeliest token each time; prompts of like length go together."""
    answers = {}
    order = sorted(range(len(prompts)), key=lambda index: len(prompts[index]))
    for first in range(0, len(order), BATCH):
        indices = order[first : first + BATCH]
        length = max(len(prompts[index]) for index in indices)
        ids = torch.full((len(indices), length), END)
        mask = torch.zeros_like(ids)
        for row, index in enumerate(indices):
            ids[row, length - len(prompts[index]) :] = torch.tensor(prompts[index])
            mask[row, length - len(prompts[index]) :] = 1
        with torch.inference_mode():
            made = model.generate(
                input_ids=ids,
                attention_mask=mask,
                max_new_tokens=most,
                do_sample=False,
                eos_token_id=END,
                pad_token_id=END,
            )
        for row, index in enumerate(indices):
            answer = made[row, length:].tolist()
            answers[index] = answer[: answer.index(END) + 1] if END in answer else answer
    return answers


if __name__ == "__main__":
    main()

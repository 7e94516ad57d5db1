"""LLM on engines of TensorRT: builds one where it is given a checkpoint and a BuildConfig."""

import json
from pathlib import Path

from tensorrt_llm.llm import LLM as Base


class LLM(Base):
    def __init__(self, model, *, build_config=None, quant_config=None, calib_config=None, **kwargs):
        torch_only = {"cuda_graph_config", "moe_config", "attention_dp_config", "torch_compile_config"} & set(kwargs)
        if torch_only:
            raise ValueError(f"Extra inputs are not permitted: {', '.join(sorted(torch_only))}")
        super().__init__(model, **kwargs)
        self.build_config, self.quant_config = build_config, quant_config

    def save(self, engine_dir):
        Path(engine_dir).mkdir()
        said = {**vars(self.build_config), "plugin_config": vars(self.build_config.plugin_config)}
        said["quant"] = None if self.quant_config is None else vars(self.quant_config)
        Path(engine_dir, "config.json").write_text(json.dumps({**said, "eos_token_id": 2}))

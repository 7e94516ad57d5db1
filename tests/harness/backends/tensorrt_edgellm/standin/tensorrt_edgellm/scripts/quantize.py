"""tensorrt-edgellm-quantize: the flags of it that are used."""

import argparse
import json
import os
from pathlib import Path

parser = argparse.ArgumentParser()
llm = parser.add_subparsers(dest="command", required=True).add_parser("llm")
llm.add_argument("--model_dir", type=Path, required=True)
llm.add_argument("--output_dir", type=Path, required=True)
llm.add_argument("--quantization", choices=["fp8", "int4_awq", "nvfp4", "mxfp8", "int8_sq"])
llm.add_argument("--lm_head_quantization", choices=["fp8", "int4_awq", "nvfp4", "mxfp8"])
llm.add_argument("--kv_cache_quantization", choices=["fp8"])
llm.add_argument("--num_samples", type=int, default=512)
given = parser.parse_args()
config = json.loads((given.model_dir / "config.json").read_text())
articles = os.environ.get("EDGELLM_QUANT_DATASET_CNN_DAILYMAIL")
config["quantization_config"] = {"quant_algo": given.quantization, "articles": articles, "samples": given.num_samples}
given.output_dir.mkdir(parents=True)
(given.output_dir / "config.json").write_text(json.dumps(config))
(given.output_dir / "tokenizer.json").write_bytes((given.model_dir / "tokenizer.json").read_bytes())

"""tensorrt-edgellm-export: the flags of it that are used."""

import argparse
import os
import sys
from pathlib import Path

parser = argparse.ArgumentParser()
parser.add_argument("model", type=Path)
parser.add_argument("output_dir", type=Path)
parser.add_argument("--fp8-embedding", action="store_true")
given = parser.parse_args()
if os.environ.get("EXPORT_FAILS"):
    sys.exit("ValueError: the checkpoint's model_type 'mamba' has no exporter")
network = given.output_dir / "llm"
network.mkdir(parents=True)  # as the exporter does
(network / "model.onnx").write_text(os.environ.get("EXPORTED", "network"))
for name in ("config.json", "tokenizer.json"):
    (network / name).write_bytes((given.model / name).read_bytes())

"""Classes of Fashion-MNIST's test images by resnet50-mini, from the raw files, with nothing of this package.

What LoadGen logged must be the same, sample by sample:

    python independent_top1.py MINI_FOLDER                            prints one class a line, and at the end the score
    python independent_top1.py MINI_FOLDER mlperf_log_accuracy.json   compares; exit code 1 where they differ
"""

import gzip
import json
import sys
from pathlib import Path

import numpy as np
import onnxruntime

folder = Path(sys.argv[1])
pixels = np.frombuffer(gzip.decompress((folder / "t10k-images-idx3-ubyte.gz").read_bytes())[16:], np.uint8)
labels = np.frombuffer(gzip.decompress((folder / "t10k-labels-idx1-ubyte.gz").read_bytes())[8:], np.uint8)
images = (pixels.reshape(-1, 1, 28, 28).astype(np.float32) - np.float32(72.94)) / np.float32(90.02)

session = onnxruntime.InferenceSession(folder / "model.onnx", providers=["CPUExecutionProvider"])
logits = np.concatenate(
    [session.run(["logits"], {"input": images[i : i + 100]})[0] for i in range(0, len(images), 100)]
)
classes = [int(row.argmax()) for row in logits]

if len(sys.argv) == 2:
    print(*classes, sep="\n")
    print(f"{np.count_nonzero(np.array(classes) == labels)} of {len(labels)} right", file=sys.stderr)
    sys.exit()

logged: dict[int, int] = {}
for entry in json.loads(Path(sys.argv[2]).read_text()):
    logged.setdefault(entry["qsl_idx"], int.from_bytes(bytes.fromhex(entry["data"]), "little"))
differing = [index for index in range(len(classes)) if logged.get(index) != classes[index]]
print(f"{len(logged)} samples logged, {len(classes)} classified, {len(differing)} differ {differing[:10]}")
sys.exit(bool(differing) or len(logged) != len(classes))

"""What holds for the code as a whole: who imports whom, what imports without hardware, and how modules are named."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("mlperf_registry", "harness", "bench")
SOURCES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))

IMPORT_ALL_WITHOUT = """
import importlib, pkgutil, sys

blocked = set(sys.argv[1].split(","))


class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in blocked:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


sys.meta_path.insert(0, Blocker())
import mlperf_registry

for module in pkgutil.walk_packages(mlperf_registry.__path__, "mlperf_registry."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
        print(module.name)
"""

IMPORTED_BY = """
import importlib, sys

importlib.import_module(sys.argv[1])
print("\\n".join(sorted({name.partition(".")[0] for name in sys.modules})))
"""


def test_imports_point_down():
    done = subprocess.run([Path(sys.executable).parent / "lint-imports"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_the_registry_imports_with_no_hardware_and_no_loadgen():
    blocked = "onnxruntime,onnx,openvino,tokenizers,nltk,pyarrow,mlperf_loadgen,tensorrt,tensorrt_rtx,cuda,PIL,harness"
    imported = _python(IMPORT_ALL_WITHOUT, blocked)
    assert {"mlperf_registry.structure", "mlperf_registry.plugins", "mlperf_registry.rules.plan"} <= imported


@pytest.mark.parametrize(
    "module", ["mlperf_registry", "mlperf_registry.structure", "mlperf_registry.plugins", "mlperf_registry.cli.main"]
)
def test_what_every_command_imports_is_light(module):
    heavy = {"hydra", "omegaconf", "numpy", "onnx", "onnxruntime", "mlperf_loadgen", "harness", "rich"}
    assert not heavy & _python(IMPORTED_BY, module)


def test_every_module_says_what_it_is():
    assert [path for path in SOURCES if not ast.get_docstring(ast.parse(path.read_text()))] == []


def test_no_module_is_named_for_nothing_in_particular():
    vague = {"utils", "util", "helpers", "helper", "manager", "common", "misc"}
    assert [path for path in SOURCES if vague & {path.stem, path.parent.name}] == []


def test_no_file_knows_where_it_was_written():
    places = {f"{place}/" for place in (ROOT, Path.home(), sys.prefix)}
    tracked = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True
    )
    if tracked.returncode != 0:
        pytest.skip("git does not know this folder: which files belong to the project is not known")
    found = [
        f"{name} names {place}"
        for name in tracked.stdout.splitlines()
        for place in places
        if (ROOT / name).is_file() and place.encode() in (ROOT / name).read_bytes()
    ]
    assert found == []


def _python(code: str, argument: str) -> set[str]:
    done = subprocess.run([sys.executable, "-c", code, argument], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())

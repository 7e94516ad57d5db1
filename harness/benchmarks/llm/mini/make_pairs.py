"""Makes docstrings.json, the data set of llama3.1-8b-mini: the body of a documented function, and its first line.

Run once with CPython 3.11.7, whose standard library it reads; the README beside it says what came out.

    python make_pairs.py docstrings.json
"""

from __future__ import annotations

import ast
import json
import sys
from collections.abc import Iterator
from pathlib import Path

SAMPLES = 240
BODY_CHARACTERS = range(300, 1401)
SUMMARY_CHARACTERS = range(25, 121)
_NOT_PROSE = (">>>", "---", "===", "|", "\t", "::")
"""Marks of examples, tables and diagrams: what is left reads as text."""
_SKIPPED = {"test", "tests", "idlelib", "lib2to3", "distutils", "site-packages", "__pycache__", "turtledemo"}


def main() -> None:
    """Write the file that the command line names."""
    library = Path(ast.__file__).parent
    pairs = list(_pairs(library))
    step = len(pairs) / SAMPLES
    chosen = [pairs[int(step * number)] for number in range(SAMPLES)]
    Path(sys.argv[1]).write_text(json.dumps(chosen, indent=0, ensure_ascii=True) + "\n", encoding="ascii")
    print(f"{len(chosen)} of {len(pairs)} pairs from Python {sys.version.split()[0]}")


def _pairs(library: Path) -> Iterator[dict[str, str]]:
    """Every pair that reads as text and its summary, in the order of files and lines, each summary once."""
    seen: set[str] = set()
    for path in sorted(library.rglob("*.py")):
        module = path.relative_to(library)
        if _SKIPPED.intersection(module.parts):
            continue
        for name, docstring in _docstrings(ast.parse(path.read_bytes())):
            head, _, body = docstring.partition("\n\n")
            summary, body = " ".join(head.split()), body.strip()
            if summary not in seen and _is_summary(summary) and _is_prose(body):
                seen.add(summary)
                yield {"source": f"{module.as_posix()}:{name}", "input": body, "output": summary}


def _docstrings(module: ast.Module) -> Iterator[tuple[str, str]]:
    documented = (node for node in ast.walk(module) if isinstance(node, (ast.FunctionDef, ast.ClassDef)))
    for node in sorted(documented, key=lambda node: node.lineno):
        if docstring := ast.get_docstring(node):
            yield node.name, docstring


def _is_summary(text: str) -> bool:
    return len(text) in SUMMARY_CHARACTERS and text[0].isupper() and text.endswith(".") and text.isascii()


def _is_prose(text: str) -> bool:
    return len(text) in BODY_CHARACTERS and text.isascii() and not any(mark in text for mark in _NOT_PROSE)


if __name__ == "__main__":
    main()

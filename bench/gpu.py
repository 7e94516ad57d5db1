"""``python -m bench gpu ROW``: the product on a GPU beside the bare engine, in rows of docs/measurements.md.

Both execute the same plan at the same batch in the same run, each time in a process of its own; results are merged into
one JSON file, and ``table`` prints what is in some of them.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from bench.gpu_bench import Bench
from bench.gpu_rows import DEFAULTS, ROWS
from bench.row import Row, Rows, table

RESULTS = Path("build/gpu.json")


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit code: 1 when a bar is missed."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    parser = argparse.ArgumentParser(prog="python -m bench gpu", description=__doc__)
    rows = parser.add_subparsers(dest="row", required=True, metavar="ROW")
    for name, row in ROWS.items():
        one = rows.add_parser(name, help=row.__doc__, description=row.__doc__)
        one.add_argument(
            "--build-dir", type=Path, default=Path("build"), help="engines and logs; %(default)s unless given"
        )
        one.add_argument("--out", type=Path, default=RESULTS, help="JSON that rows are merged into; %(default)s")
        one.add_argument("--seconds", type=float, default=60.0, help="of a LoadGen run; %(default)s")
        one.add_argument("--bare-seconds", type=float, default=10.0, help="of a turn of the bare engine; %(default)s")
        if name == "scaling":
            one.add_argument("--gpus", type=int, default=2, help="GPUs of the second run; %(default)s")
        if name == "server":
            one.add_argument("--offline", type=float, help="Offline rate; by default that of the row offline in --out")
            one.add_argument("--shares", type=float, nargs="+", default=[0.80, 0.83], help="of it; %(default)s")
        one.add_argument("overrides", nargs="*", help="as for mlperf run, over those of bench/gpu_cell.py")
    printed = rows.add_parser("table", help="print rows as Markdown")
    printed.add_argument("files", type=Path, nargs="*", default=[RESULTS])
    asked = parser.parse_args(given)
    if asked.row == "table":
        print(table(asked.files))
        return 0
    overrides = (*DEFAULTS.get(asked.row, ()), *asked.overrides)
    made: list[Row] = []

    def keep(name: str, row: Row) -> None:
        Rows(asked.out).keep(name, row, f"python -m bench gpu {shlex.join(given)}")
        print(f"{row.figure}: {row}", flush=True)
        made.append(row)

    bench = Bench(overrides, asked.build_dir.resolve(), asked.seconds, asked.bare_seconds, keep, asked)
    keep(asked.row, ROWS[asked.row](bench))
    return 0 if all(row.holds for row in made) else 1


if __name__ == "__main__":
    sys.exit(main())

"""``python -m bench llm ROW...``: a language model on a GPU through the harness, beside vLLM's own ``LLM.generate``.

Weights are random, so only the speed means something. The rows of one command share one engine, which takes minutes to
load: bare, offline and server in this process, endpoint-offline and endpoint-server behind one ``vllm serve``. Each row
is merged into one JSON file as soon as it is measured, and ``table`` prints what is in some of them.
"""

from __future__ import annotations

import argparse
import contextlib
import shlex
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path

from bench.llm_bench import Bench
from bench.llm_rows import ROWS
from bench.row import table
from bench.say import say

RESULTS = Path("build/llm.json")


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit code: 1 when a bar is missed or a row could not be measured."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if given[:1] == ["table"]:
        print(table([Path(name) for name in given[1:]] or [RESULTS]))
        return 0
    parser = argparse.ArgumentParser(prog="python -m bench llm", description=__doc__)
    parser.add_argument("rows", nargs="+", metavar="ROW", help=f"{', '.join(ROWS)}; or overrides, as for mlperf run")
    parser.add_argument("--build-dir", type=Path, default=Path("build"), help="engines and logs; %(default)s")
    parser.add_argument("--out", type=Path, default=RESULTS, help="JSON that rows are merged into; %(default)s")
    parser.add_argument("--samples", type=int, default=3000, help="prompts, each issued once Offline; %(default)s")
    parser.add_argument("--seconds", type=float, default=62.0, help="of a Server run; %(default)s")
    parser.add_argument("--shares", type=float, nargs="+", default=[0.90], help="of the Offline rate to ask of Server")
    program = f"{sys.executable} -m vllm.entrypoints.cli.main"
    parser.add_argument("--vllm", default=program, help="vLLM's command, of which `serve` is asked; %(default)s")
    parser.add_argument("--offline", type=float, help="Offline rate, samples/s; by default that of the row before")
    asked = parser.parse_intermixed_args(given)
    asked.overrides = [word for word in asked.rows if "=" in word]
    asked.rows = [word for word in asked.rows if "=" not in word]
    unknown = set(asked.rows) - set(ROWS)
    if unknown:
        parser.error(f"no row is called {', '.join(sorted(unknown))}; there are {', '.join(ROWS)}, table")
    asked.command = f"python -m bench llm {shlex.join(given)}"
    asked.fresh = {}
    bench, missed = Bench(asked), 0
    with contextlib.closing(bench):
        for name in asked.rows:
            try:
                row = ROWS[name](bench)
            except (Exception, SystemExit):
                missed += 1
                say(f"{name} could not be measured:")
                traceback.print_exc()
                continue
            bench.keep(name, row)
            asked.fresh[name] = True
            missed += not row.holds
    print(table([asked.out]) if asked.out.is_file() else "nothing was measured")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())

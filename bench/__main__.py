"""``python -m bench``: measure our own code and write build/bench.json; ``--check`` holds it against bars.yaml.

Suites are measured one after another, since each wants the machine to itself.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import yaml

from mlperf_registry.atomic import write_json
from mlperf_registry.schema.problem import MlperfError, NotReady

SUITES = ("startup", "registry", "matrix", "harness", "backend", "llm_client", "rouge")
RESULTS = Path("build/bench.json")
BARS = Path(__file__).with_name("bars.yaml")

Figures = Mapping[str, Mapping[str, Any]]


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, or check; returns the exit code: 1 when a bar is missed, 3 when something is not installed here."""
    try:
        return _main(sys.argv[1:] if argv is None else argv)
    except MlperfError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    except ModuleNotFoundError as error:
        name = (error.name or "").partition(".")[0]
        if name in ("", "bench", "harness", "mlperf_registry"):
            raise
        print(f"This measurement needs {name}, not installed here: pip install -e '.[test]'", file=sys.stderr)
        return NotReady.exit_code


def _main(given: Sequence[str]) -> int:
    if given[:1] in (["gpu"], ["llm"]):
        return int(import_module(f"bench.{given[0]}").main(given[1:]))
    parser = argparse.ArgumentParser(
        prog="python -m bench", description=__doc__, epilog="python -m bench gpu, python -m bench llm: on a GPU"
    )
    parser.add_argument("suites", nargs="*", metavar="suite", help=f"some of {', '.join(SUITES)}; by default all")
    parser.add_argument(
        "--check", action="store_true", help=f"compare {RESULTS}, measured first if absent, with the bars"
    )
    asked = parser.parse_args(given)
    unknown = set(asked.suites) - set(SUITES)
    if unknown:
        parser.error(f"no suite is called {', '.join(sorted(unknown))}; there are {', '.join(SUITES)}")
    if asked.suites or not asked.check or not RESULTS.is_file():
        measure(asked.suites or SUITES)
    figures: Figures = json.loads(RESULTS.read_text())
    for name, figure in figures.items():
        value, unit = f"{figure['value']:,.4g}", figure["unit"]
        print(f"{name:<36}{value:>16} {unit:<12} pairs {figure['pairs']}, spread {figure['spread']:.2f}")
    return _check(figures) if asked.check else 0


def measure(suites: Sequence[str]) -> None:
    """Measure suites and write their figures; those of other suites stay as they are."""
    figures: dict[str, Any] = json.loads(RESULTS.read_text()) if RESULTS.is_file() else {}
    for suite in suites:
        print(f"measuring {suite} ...", file=sys.stderr, flush=True)
        figures.update(import_module(f"bench.{suite}").measure())
        RESULTS.parent.mkdir(exist_ok=True)
        write_json(RESULTS, figures)


def missed(figures: Figures, bars: Sequence[Mapping[str, Any]]) -> list[str]:
    """A sentence for each bar that is not reached, and for each whose figure is absent."""
    sentences = []
    for bar in bars:
        name, figure = bar["name"], figures.get(bar["name"])
        ((word, limit),) = ((word, bar[word]) for word in ("at_least", "at_most", "equals") if word in bar)
        if figure is None:
            sentences.append(f"{name} was not measured: python -m bench")
            continue
        value = figure["value"]
        reached = {"at_least": value >= limit, "at_most": value <= limit, "equals": value == limit}[word]
        if not reached:
            asked = f"{word.replace('_', ' ')} {limit:g}"
            sentences.append(f"{name} is {value:,.4g} {figure['unit']}, and must be {asked}. {bar['source']}")
    return sentences


def _check(figures: Figures) -> int:
    bars = yaml.safe_load(BARS.read_text())
    sentences = missed(figures, bars)
    for sentence in sentences:
        print(sentence, file=sys.stderr)
    if not sentences:
        print(f"All {len(bars)} bars hold.")
    return 1 if sentences else 0


if __name__ == "__main__":
    sys.exit(main())

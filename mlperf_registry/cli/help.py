"""Help: examples first, then the axes, the flags, where results go and what the exit codes mean.

Made of the verb table and the schema's names alone, so that it appears at once on any machine.
"""

from __future__ import annotations

from collections.abc import Iterable

from mlperf_registry.cli.verbs import VERBS, Flag, Verb
from mlperf_registry.schema.cell import POWER_NAMES, SCENARIO_NAMES, TARGET_NAMES

EXIT_CODES = (
    ("0", "good"),
    ("1", "a run failed, is INVALID, or missed its accuracy target"),
    ("2", "bad input: every problem is listed, with the nearest names"),
    ("3", "not ready: data, a model, a package or a cached engine is missing"),
    ("130", "interrupted"),
)

_AXES = (
    ("system", "the machine, by default this one; `mlperf list systems`, or a YAML file of yours in ./systems"),
    ("benchmark", "the benchmark; `mlperf list benchmarks`"),
    ("scenario", " ".join(SCENARIO_NAMES)),
    ("accuracy_target", f"{' '.join(TARGET_NAMES)} (also 99, 0.99, 99.9, high_accuracy)"),
    ("power_setting", " ".join(POWER_NAMES)),
    ("harness", "native (the benchmark's own); others, such as triton, only as they were published"),
)

_GROUPS = (
    ("backend", "the engine library; by default the benchmark's first that the system has a device for"),
    ("mode", "explore (short, rules warn; the default), test_run (a minute), submission (rules hold)"),
    ("tuned_round", "the round whose tuned values apply; by default the newest that has the cell"),
    ("round", "the round whose rules hold; by default the newest that has the benchmark"),
    ("experiment", "an overlay of your own: NAME of systems/experiment/NAME.yaml"),
)

_RESULTS = """\
Results
  build/logs/<time>-<id>/<system>/<benchmark>/<Scenario>/   result.json, report.html, LoadGen's logs
  build/engines/<system>/<benchmark>/<key>/                 engines, reused while nothing that they are made of changes
  (another place: --build-dir DIR)"""


def overview(version: str) -> str:
    """The text of ``mlperf --help``."""
    examples = [(f"mlperf {command}", doc) for command, doc in VERBS["run"].examples[:3]]
    examples += [(f"mlperf {verb.examples[0][0]}", verb.examples[0][1]) for verb in (VERBS["explain"], VERBS["list"])]
    return "\n\n".join(
        [
            f"mlperf {version}: typed MLPerf Inference configurations, composed by Hydra and run through LoadGen",
            _section("Examples", examples),
            _section("Verbs (mlperf VERB --help says more)", [(verb.name, verb.summary) for verb in VERBS.values()]),
            _choices(),
            _RESULTS,
            _section("Exit codes", EXIT_CODES),
        ]
    )


def verb_help(verb: Verb) -> str:
    """The text of ``mlperf VERB --help``."""
    parts = [f"{verb.usage}\n\n{verb.summary[0].upper()}{verb.summary[1:]}."]
    parts.append(_section("Examples", [(f"mlperf {command}", doc) for command, doc in verb.examples]))
    if verb.text:
        parts.append(verb.text)
    parts.append(_section("Flags", [_flag_line(flag) for flag in verb.flags]))
    if "group=option" in verb.usage:
        parts.append(_choices())
    if verb.name in ("run", "build", "harness"):
        parts.append(
            _RESULTS + "\n\nSweeps take Hydra's own settings too: hydra/launcher=joblib, hydra.sweeper.max_batch_size=4"
        )
    parts.append(_section("Exit codes", EXIT_CODES))
    return "\n\n".join(parts)


def _choices() -> str:
    return "\n".join(
        [
            _section("Axes, chosen as group=option", _AXES),
            _section("Further groups", _GROUPS),
            "Fields are set as section.field=value (runtime.deque_timeout_usec=2000, loadgen.min_duration=40min);",
            "`mlperf list fields` has them all, with units.",
        ]
    )


def _flag_line(flag: Flag) -> tuple[str, str]:
    return flag.shown, flag.doc


def _section(heading: str, rows: Iterable[tuple[str, str]]) -> str:
    lines = list(rows)
    width = max(len(name) for name, _ in lines)
    if width > 40:
        body = [f"  {name}\n      {doc}" for name, doc in lines]
    else:
        body = [f"  {name:<{width}}  {doc}" for name, doc in lines]
    return "\n".join([heading, *body])

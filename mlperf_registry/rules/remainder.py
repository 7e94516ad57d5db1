"""remainder(): what a submission needs beside one cell that keeps the rules, none of which that cell's run can show.

What a round asks of this cell's kind is named; what every submission has to bring is left to the page that lists it.
"""

from __future__ import annotations

from mlperf_registry.rules.round import CategoryRules, load_round
from mlperf_registry.schema.cell import SCENARIO_NAMES
from mlperf_registry.schema.workload import Workload

_OF_EVERY_SUBMISSION = (
    "what docs/submission.md lists, such as measurements.json, README.md, the code and truncated logs"
)


def remainder(workload: Workload) -> tuple[str, ...]:
    """A phrase for each: compliance runs, other scenarios, the system description, and the page with the rest.

    Raises:
        ConfigError: when there is no round of the workload's name.
    """
    round_ = load_round(workload.round)
    benchmark = round_.benchmarks.get(workload.benchmark.rules_as)
    cell = workload.cell
    found = []
    # The open division is free in both.
    if benchmark is not None and workload.division == "closed":
        tests = round_.compliance(benchmark, cell.scenario)
        if tests:
            found.append(f"compliance runs of {_listed(tests, 'and')}")
        category = workload.effective_category
        rules = None if category is None else benchmark.categories_at(cell.accuracy_target).get(category)
        if rules is not None:
            found += _other_scenarios(rules, cell.scenario)
    return (*found, f"systems/{cell.system}.json, which mlperf systems describe prints", _OF_EVERY_SUBMISSION)


def _other_scenarios(rules: CategoryRules, had: str) -> list[str]:
    required = [SCENARIO_NAMES[name] for name in rules.required if name != had]
    found = [f"runs of {_listed(required, 'and')}"] if required else []
    if rules.one_of and had not in rules.one_of:
        found.append(f"a run of {_listed([SCENARIO_NAMES[name] for name in rules.one_of], 'or')}")
    return found


def _listed(names: list[str] | tuple[str, ...], word: str) -> str:
    *rest, last = names
    return f"{', '.join(rest)} {word} {last}" if rest else last

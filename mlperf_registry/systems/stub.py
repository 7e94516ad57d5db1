"""yaml_of(): a system as the YAML file that registers it, short, commented and ready to be loaded.

`mlperf systems new` writes it for people; a derived system's layer in a run's folder is the same text.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import attrs

from mlperf_registry.schema.description import SubmissionDescription
from mlperf_registry.schema.knob import Knob, knob_of
from mlperf_registry.schema.quantity import is_quantity_unit
from mlperf_registry.schema.sections import System
from mlperf_registry.yaml_text import lines_of, quantity_text, scalar

HEADER = "# @package _global_"
"""First line of every option file: its keys are paths from the top."""


@attrs.frozen
class TunedExample:
    """Tuned values that the stub shows, commented out, where a system could state its own."""

    round: str
    """Folder of ``tuned``: a round, or a name of the user's."""
    benchmark: str
    scenario: str
    """Option on the command line."""
    values: Mapping[str, Any]
    """Tree of a tuned file, such as ``{"loadgen": {"offline_expected_qps": 41300}}``."""


def yaml_of(
    system: System,
    *,
    comments: bool = True,
    example: TunedExample | None = None,
    numa: str = "",
    unstated: Sequence[str] = (),
) -> str:
    """The option file of ``system``; what is at its default is left out.

    Args:
        system: any system.
        comments: say what each part is for.
        example: tuned values to show, such as the relative's with rates scaled; written with ``comments`` only.
        numa: the machine's NUMA string, shown the same way.
        unstated: fields of its submission that nothing says yet, shown the same way with what each means.
    """
    lines = [HEADER]
    if comments:
        lines.append(
            "# Written from what the machine shows. After a change, `mlperf systems check FILE` says whether it holds."
        )
    lines.append("system:")
    for key, value in tree_of(system).items():
        if comments:
            lines.extend(f"  # {line}" for line in _comments(key, system))
        lines.extend(lines_of({key: value}, 2))
        if comments and key == "accelerator_count" and system.category is None:
            lines.append("  # category: datacenter  # or edge, or datacenter,edge; a submission must say")
    if comments:
        lines.extend(_more(system, example, numa, unstated))
    return "\n".join(lines) + "\n"


def tree_of(value: Any) -> dict[str, Any]:
    """What an attrs object of the schema states beyond its defaults, as YAML says it: sizes and times with units."""
    return {
        field.name: _written(item, knob_of(field))
        for field in attrs.fields(type(value))
        if (item := getattr(value, field.name)) != field.default
    }


def _written(item: Any, knob: Knob) -> Any:
    if attrs.has(type(item)):
        return tree_of(item)
    if isinstance(item, (list, tuple)):
        return [_written(one, knob) for one in item]
    if isinstance(item, float) and item.is_integer():
        return int(item)
    if type(item) is int and is_quantity_unit(knob.unit) and not knob.unit_in_name:
        return quantity_text(item, knob.unit or "")
    return item


def _comments(key: str, system: System) -> Iterator[str]:
    if key == "base" and system.base is not None:
        base = system.base
        sizes = f", batch sizes x{base.size_factor:g}" if base.size_factor != 1 else ""
        yield f"Where it has no tuned values of its own, {base.system}'s are taken: rates x{base.rate_factor:g}{sizes}."
    elif key == "match":
        yield "A machine is this system where all of this holds; delete a rule that should not matter."


def _more(system: System, example: TunedExample | None, numa: str, unstated: Sequence[str]) -> Iterator[str]:
    """What may be added, commented out."""
    if unstated:
        yield f"  # What a submission must say besides; `mlperf systems describe {system.id}` tells what is missing."
        yield "  # submission:"
        fields = attrs.fields_dict(SubmissionDescription)
        yield from (f"  #   {name}:  # {knob_of(fields[name]).doc}" for name in unstated)
    if numa:
        yield ""
        yield "# Bind workers and their memory to the NUMA nodes of the GPUs:"
        yield f"# runtime: {{numa_config: {scalar(numa)}}}"
    if example is not None:
        yield ""
        yield "# Values of its own go beside this file, such as these, to be measured and bettered, into"
        yield f"# tuned/{example.round}/{system.id}/{example.benchmark}/{example.scenario}.yaml:"
        yield "#   tuned_for: [plain]"
        for line in lines_of(dict(example.values)):
            yield f"#   {line}"

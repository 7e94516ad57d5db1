"""The system description of a submission, ``systems/<name>.json``: detected facts, and the submitter's own words.

All that MLCommons' checker would find missing is told at once, before anything is handed in.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Literal

import attrs

from mlperf_registry.schema.components import FrozenMap
from mlperf_registry.schema.description import SubmissionDescription
from mlperf_registry.schema.knob import knob_of
from mlperf_registry.schema.machine import Machine
from mlperf_registry.schema.problem import ConfigError, Problem
from mlperf_registry.schema.sections import System
from mlperf_registry.submission.facts import (
    accelerator_facts,
    engine_name,
    machine_facts,
    no_accelerators,
    software_facts,
    system_facts,
)

Source = Literal["submission", "detected", "system", "default"]

_ATTRIBUTES = attrs.fields_dict(SubmissionDescription)
_KEYS = {name: name.replace("on_chip", "on-chip") for name in _ATTRIBUTES}
_NAMES = tuple(_ATTRIBUTES)

REQUIRED = tuple(_KEYS[name] for name in _NAMES[: _NAMES.index("power_management")])
"""Keys that every description has, in MLCommons' order."""
NETWORK = tuple(_KEYS[name] for name in _NAMES[_NAMES.index("is_network") :])
"""Keys that a description in the network division has besides."""
MAY_BE_EMPTY = frozenset(
    {
        "host_processor_frequency",
        "host_processor_caches",
        "host_processor_interconnect",
        "accelerator_frequency",
        "accelerator_interconnect_topology",
        "accelerator_on-chip_memories",
        "hw_notes",
        "sw_notes",
        "system_type_detail",
    }
)
"""Required keys that the checker accepts as empty text."""


@attrs.frozen(kw_only=True)
class Description:
    """A system description, whole or with gaps."""

    values: FrozenMap[str | int | float]
    """MLCommons' keys in their order; one that is missing has no entry."""
    sources: FrozenMap[Source]
    """Key to where its value comes from: the YAML's ``system.submission``, the machine, the system, or nowhere."""
    problems: tuple[Problem, ...]
    """What keeps it from being handed in, in the order of keys."""


def describe(system: System, machine: Machine | None = None) -> Description:
    """The description of ``system``, complete.

    Args:
        system: with ``submission`` as far as its submitter filled it in.
        machine: what detection found on the system itself; None: described elsewhere, on what is stated alone.

    Raises:
        ConfigError: with every missing key, each with what it means, and everything that contradicts itself.
    """
    made = draft(system, machine)
    if made.problems:
        raise ConfigError(made.problems)
    return made


def draft(system: System, machine: Machine | None = None) -> Description:
    """As ``describe``, with what is wrong as ``problems`` of the result; for a look at what is there."""
    own = _own(system.submission)
    layers: tuple[tuple[Source, dict[str, Any]], ...] = (
        ("submission", own),
        *_known(system, machine, own),
        ("default", {"division": "closed", "number_of_nodes": 1, "system_type_detail": "N/A"}),
        ("default", dict.fromkeys(MAY_BE_EMPTY, "")),
    )
    values: dict[str, str | int | float] = {}
    sources: dict[str, Source] = {}
    for key in _KEYS.values():
        found = next(((source, layer[key]) for source, layer in layers if key in layer), None)
        if found is not None:
            sources[key], values[key] = found
    return Description(
        values=FrozenMap(values),
        sources=FrozenMap(sources),
        problems=(*_missing(values), *_contradictions(system, machine, values)),
    )


def to_json(description: Description) -> str:
    """The text of the file."""
    return json.dumps(dict(description.values), indent=4, ensure_ascii=False) + "\n"


def _own(submission: SubmissionDescription) -> dict[str, Any]:
    stated = {key: getattr(submission, name) for name, key in _KEYS.items()}
    own = {key: value for key, value in stated.items() if value is not None and (value != "" or key in MAY_BE_EMPTY)}
    # The checker reads both as text: a 0 counts as empty, and any answer at all to is_network as yes.
    if own.get("accelerators_per_node") == 0:
        own["accelerators_per_node"] = "0"
    if own.pop("is_network", False):
        own["is_network"] = "true"
    return own


def _known(system: System, machine: Machine | None, own: dict[str, Any]) -> Iterator[tuple[Source, dict[str, Any]]]:
    per_node = own.get("accelerators_per_node", system.accelerator_count // own.get("number_of_nodes", 1))
    accelerated = per_node not in (0, "0")
    counted = {"accelerators_per_node": per_node} if accelerated else no_accelerators()
    yield "system", counted
    known = system_facts(system)
    model = {key: known[key] for key in ("accelerator_model_name",) if key in known}
    yield "system", model  # its name in results, which the driver's is not
    if machine is not None:
        found = machine_facts(machine) | software_facts(machine, accelerated=accelerated)
        if accelerated and machine.accelerators:
            found |= accelerator_facts(machine)
        yield "detected", found
    yield "system", known
    yield "default", {"system_name": _name(system, machine, own | counted | model)}


def _name(system: System, machine: Machine | None, known: dict[str, Any]) -> str:
    board = None if machine is None else machine.board
    engine = None if machine is None else engine_name(machine)
    nodes, per_node = known.get("number_of_nodes", 1), int(known["accelerators_per_node"])
    accelerators = f"{nodes * per_node}x {known.get('accelerator_model_name', 'accelerator')}" if per_node else None
    if board is None:
        board, accelerators = system.description or system.id, None
    within = ", ".join(part for part in (accelerators, engine) if part is not None)
    return f"{board} ({within})" if within else board


def _missing(values: dict[str, Any]) -> Iterator[Problem]:
    for name, key in _KEYS.items():
        if key in values or not (key in REQUIRED or (key in NETWORK and "is_network" in values)):
            continue
        doc = knob_of(_ATTRIBUTES[name]).doc
        yield Problem(f"system.submission.{name}", f"required, and neither stated nor detected: {doc}")


def _contradictions(system: System, machine: Machine | None, values: dict[str, Any]) -> Iterator[Problem]:
    networked, division = "is_network" in values, values["division"]
    if networked and division == "closed":
        message = "the closed division has no queries over a network"
        yield Problem("system.submission.is_network", message, hint="division: network, or leave it out")
    if division == "network" and not networked:
        message = "the network division is of systems with is_network: true alone"
        yield Problem("system.submission.division", message, hint="is_network: true, or division: closed")
    nodes, per_node = values["number_of_nodes"], int(values["accelerators_per_node"])
    if nodes * per_node != system.accelerator_count:
        message = (
            f"{nodes} nodes with {per_node} accelerators each are not the {system.accelerator_count} of {system.id}"
        )
        yield Problem("system.submission.accelerators_per_node", message, hint="correct it, or number_of_nodes")
    if machine is not None and len(machine.accelerators) < per_node:
        message = (
            f"this machine shows {len(machine.accelerators)} accelerators, and {system.id} has {per_node} in a node"
        )
        cure = "describe it on the machine itself, or replay a recording of it: --machine FILE"
        yield Problem("system.submission.accelerators_per_node", message, hint=cure)

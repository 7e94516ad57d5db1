"""The importer: makes conf/tuned of a file of published configurations, saying once what systems and variants share.

Run it for each new round: python -m mlperf_registry.published.importer FILE --conf conf
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence, Set
from pathlib import Path
from typing import Any

import attrs
import yaml

from mlperf_registry.compose.fields import Field, cell_fields
from mlperf_registry.compose.library import TUNED, Library, Roots
from mlperf_registry.compose.matrix import Matrix
from mlperf_registry.compose.tuned import SHARED
from mlperf_registry.published.renames import FieldPath, Renames, Values, load_renames, put
from mlperf_registry.published.rows import Row, read_rows
from mlperf_registry.published.set_values import BEFORE, set_values
from mlperf_registry.published.sharing import Case, shared_split
from mlperf_registry.published.split import PLAIN, Names, Split, Token, spelled, written_order
from mlperf_registry.schema.problem import ConfigError, Problem
from mlperf_registry.schema.quantity import is_quantity_unit
from mlperf_registry.yaml_text import lines_of, quantity_text

NEVER_SHARED = ("_qps", "expected_latency_ns", "power_limit")
"""Ends of the names of fields that are one machine's own, however many systems agree on a value."""


@attrs.frozen
class Published:
    """One row in our names, and what the layers below tuned values set in its cell."""

    row: Row
    wanted: Values
    base: Values
    components: tuple[str, ...]

    def spread(self, fields: Set[FieldPath]) -> Published:
        """The same with values of these fields said for each component, as another row of its group needs to."""
        return attrs.evolve(self, wanted=self._spread(self.wanted, fields), base=self._spread(self.base, fields))

    def _spread(self, values: Values, fields: Set[FieldPath]) -> Values:
        return {
            leaf: value
            for path, value in values.items()
            for leaf in ([(*path, component) for component in self.components] if path in fields else [path])
        }


@attrs.frozen
class Outcome:
    """What an import did."""

    written: tuple[Path, ...]
    unchanged: int
    removed: tuple[Path, ...]
    lines: int
    stated: int
    published: int
    """Values in the file of rows, each entry of a mapping counted."""


def import_rows(file: Path, conf: Path, renames: Renames, *, prune: bool = False) -> Outcome:
    """Write the files of every round in ``file``.

    Args:
        file: published configurations, a JSON object a line.
        conf: the folder with config.yaml, whose other layers must know every system and benchmark of the rows.
        renames: the table of names.
        prune: remove other tuned files of these rounds: they would see other shared values than before.

    Raises:
        ConfigError: with every line and name that is not understood, or the files that need ``prune``.
    """
    rows = read_rows(file, renames.options)
    texts = tuned_files(rows, Matrix(Library(Roots(conf.resolve()))), renames)
    rounds = sorted({row.round for row in rows})
    there = {path for name in rounds for path in (conf / TUNED / name).rglob("*.yaml")}
    wanted = {conf / TUNED / f"{address}.yaml": text for address, text in texts.items()}
    stale = sorted(there - wanted.keys())
    if stale and not prune:
        raise ConfigError(
            Problem("tuned", "is not made from these rows, and shares values that would change", str(path), hint=hint)
            for path, hint in (
                (path, "import all rows of the round at once, or add --prune to remove it") for path in stale
            )
        )
    for path in stale:
        path.unlink()
    for name in rounds:
        wanted[conf / "tuned_round" / f"{name}.yaml"] = f"# @package _global_\ntuned_round: {name}\n"
    written = [path for path, text in sorted(wanted.items()) if _write(path, text)]
    return Outcome(
        written=tuple(written),
        unchanged=len(wanted) - len(written),
        removed=tuple(stale),
        lines=sum(text.count("\n") for text in texts.values()),
        stated=sum(map(_stated, texts.values())),
        published=sum(_count(row.fields) for row in rows),
    )


def tuned_files(rows: Sequence[Row], matrix: Matrix, renames: Renames) -> dict[str, str]:
    """Address below ``tuned``, without suffix, to the text of the file.

    Args:
        rows: all of their rounds, since sharing is found among them.
        matrix: tells what the layers below tuned values set.
        renames: the table of names.

    Raises:
        ConfigError: with every row whose cell does not compose, and every name that the table does not have.
    """
    groups: dict[tuple[str, str, str], dict[str, list[Published]]] = defaultdict(lambda: defaultdict(list))
    for published in _translated(rows, matrix, renames):
        row = published.row
        groups[row.round, row.benchmark, row.scenario][row.system].append(published)
    files: dict[str, str] = {}
    for (round_name, benchmark, scenario), found in sorted(groups.items()):
        systems = _spread(found)
        shared, own = _split(systems)
        fields = cell_fields(*_owners(matrix, next(iter(systems.values()))[0].row, renames))
        if shared:
            subject = f"{benchmark} {scenario} in {round_name}"
            header = f"# What most systems publish for {subject}: no rates, latencies or power limits."
            address = f"{round_name}/{SHARED}/{benchmark}/{scenario}"
            files[address] = _text([header, *_noted(address, renames)], {}, shared, fields)
        for system, members in sorted(systems.items()):
            row = members[0].row
            head = {} if [one.row.names for one in members] == [PLAIN] else {"tuned_for": _variants(members)}
            head["backends"] = list(renames.backends_of(row))
            files[row.address] = _text(list(_noted(row.address, renames)), head, own[system], fields)
    return files


def _translated(rows: Sequence[Row], matrix: Matrix, renames: Renames) -> Iterator[Published]:
    problems: list[Problem] = []
    for row in rows:
        theirs = renames.to_ours(row)
        problems.extend(
            Problem(name, f"{row.round} has no such field in renames.yaml", f"row {row.line}", row.line)
            for name in theirs.unknown
        )
        try:
            tree = _below(matrix, row, renames).tree
            base = set_values(tree, renames)
        except ConfigError as error:
            problems.extend(error.problems)
            continue
        wanted = dict(theirs.values)
        # Nothing is known of what ours should be, so no tuned layer may speak of it.
        left_out = set(theirs.left_out.values())
        wanted.update({leaf: value for leaf, value in base.items() if renames.owner(leaf) in left_out})
        yield Published(row, wanted, base, tuple(tree["benchmark"]["components"]))
    if problems:
        raise ConfigError(dict.fromkeys(problems))


def _below(matrix: Matrix, row: Row, renames: Renames) -> Any:
    words = [word for word in row.words if not word.startswith("tuned_round=")]
    backend = renames.backends_of(row)[0]
    return matrix.compose([*words, "tuned_round=none", f"backend={backend}"], until=BEFORE)


def _owners(matrix: Matrix, row: Row, renames: Renames) -> tuple[str, str]:
    """The family and the engine library whose options a cell has."""
    tree = _below(matrix, row, renames).tree
    return tree["benchmark"]["family"], tree["backend"]["name"]


def _spread(systems: Mapping[str, Sequence[Published]]) -> dict[str, list[Published]]:
    """The group with one form of each field: a value for all components, or one for each."""
    leaves = {path for members in systems.values() for one in members for path in (*one.wanted, *one.base)}
    mixed = {path[:end] for path in leaves for end in range(1, len(path))} & leaves
    return {system: [one.spread(mixed) for one in members] for system, members in systems.items()}


def _split(
    systems: Mapping[str, Sequence[Published]],
) -> tuple[dict[FieldPath, Split], dict[str, dict[FieldPath, Split]]]:
    """What is shared of each field, and what each system's cell states itself."""
    paths = {path for members in systems.values() for one in members for path in (*one.wanted, *one.base)}
    shared: dict[FieldPath, Split] = {}
    own: dict[str, dict[FieldPath, Split]] = {system: {} for system in systems}
    for path in sorted(paths):
        cases = {system: _case(path, members) for system, members in systems.items()}
        never = path[-1].endswith(NEVER_SHARED)
        shared[path] = {} if never else shared_split([cases[system] for system in sorted(cases)])
        for system, case in cases.items():
            own[system][path] = case.over(shared[path])
    stated = {path: split for path, split in shared.items() if split}
    return stated, {system: {path: split for path, split in splits.items() if split} for system, splits in own.items()}


def _case(path: FieldPath, members: Sequence[Published]) -> Case:
    return Case(
        {one.row.names: _token(one.wanted.get(path)) for one in members},
        {one.row.names: _token(one.base.get(path)) for one in members},
    )


def _token(value: Any) -> Token:
    return json.dumps(value, sort_keys=True)


def _variants(members: Sequence[Published]) -> list[str]:
    """``tuned_for``: targets apart first, then harnesses, then power settings."""

    def place(row: Row) -> Any:
        target, power = row.names & {row.accuracy_target}, row.names & {row.power_setting}
        return tuple(written_order(names) for names in (target, row.names - target - power, power))

    return [spelled(row.names) for row in sorted((one.row for one in members), key=place)]


def _noted(address: str, renames: Renames) -> Iterator[str]:
    note = renames.notes.get(address)
    if note is not None:
        yield f"# {note}"


def _text(
    comments: Sequence[str],
    head: Mapping[str, Any],
    splits: Mapping[FieldPath, Split],
    fields: Mapping[FieldPath, Field],
) -> str:
    """A tuned file."""
    deltas = {key for split in splits.values() for key in split} - {PLAIN}
    tree: dict[str, Any] = {**head, **_tree(PLAIN, splits, fields)}
    if deltas:
        tree["when"] = {spelled(key): _tree(key, splits, fields) for key in sorted(deltas, key=written_order)}
    lines = []
    for key, value in tree.items():
        if key == "when":
            lines += ["when:", *lines_of(value, 2)]
        else:
            lines += lines_of({key: value})
    return "\n".join([*comments, *lines]) + "\n"


def _tree(key: Names, splits: Mapping[FieldPath, Split], fields: Mapping[FieldPath, Field]) -> dict[str, Any]:
    """What is stated under ``key``, in the order of the schema."""
    order = {path: number for number, path in enumerate(fields)}
    tree: dict[str, Any] = {}
    for path in sorted((path for path in splits if key in splits[path]), key=lambda path: (_place(path, order), path)):
        value = json.loads(splits[path][key])
        field = _field(path, fields)
        unit = None if field is None or field.knob.unit_in_name else field.knob.unit
        if isinstance(value, int) and unit is not None and is_quantity_unit(unit):
            value = quantity_text(value, unit)
        put(tree, path, value)
    return tree


def _place(path: FieldPath, order: Mapping[FieldPath, int]) -> tuple[bool, int]:
    """What sorts a leaf as a person looks for it: builder first, and what the benchmark owns last."""
    place = next((order[path[:end]] for end in range(len(path), 0, -1) if path[:end] in order), len(order))
    return path[0] == "benchmark", place


def _field(path: FieldPath, fields: Mapping[FieldPath, Field]) -> Field | None:
    return next((fields[path[:end]] for end in range(len(path), 0, -1) if path[:end] in fields), None)


def _count(value: Any) -> int:
    return sum(map(_count, value.values())) if isinstance(value, Mapping) else 1


def _stated(text: str) -> int:
    """How many values a tuned file states, nulls included."""
    tree = yaml.safe_load(text)
    return _count({key: value for key, value in tree.items() if key not in ("tuned_for", "backends")})


def _write(path: Path, text: str) -> bool:
    """Whether the file had to change."""
    if path.is_file() and path.read_text(encoding="utf-8") == text:
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return True


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns its exit code: 2 for bad input."""
    parser = argparse.ArgumentParser(prog="python -m mlperf_registry.published.importer", description=__doc__)
    parser.add_argument("file", type=Path, help="published configurations, a JSON object a line")
    parser.add_argument("--conf", type=Path, default=Path("conf"), help="the folder with config.yaml")
    parser.add_argument("--prune", action="store_true", help="remove other tuned files of the same rounds")
    given = parser.parse_args(arguments)
    try:
        done = import_rows(given.file, given.conf, load_renames(), prune=given.prune)
    except ConfigError as error:
        for problem in error.problems:
            print(problem, file=sys.stderr)
        return 2
    print(f"{len(done.written)} files written, {done.unchanged} unchanged, {len(done.removed)} removed")
    print(f"{done.lines} lines state {done.stated} of {done.published} values: {done.stated / done.published:.1%}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

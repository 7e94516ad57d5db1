"""Plain dict to frozen attrs objects and back: strict types, units as text, and every problem in one report.

OmegaConf and attrs convert leniently and stop at the first error; a batch size of 32.7 must not become 32.
"""

from __future__ import annotations

import math
import types
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import attrs

from mlperf_registry import plugins
from mlperf_registry.schema.applicability import Case, inapplicable, refusal
from mlperf_registry.schema.components import FrozenMap, PerComponent
from mlperf_registry.schema.knob import EVERYWHERE, Knob, knob_of
from mlperf_registry.schema.nearest import meant, nearest
from mlperf_registry.schema.problem import ConfigError, Problem
from mlperf_registry.schema.quantity import example, is_quantity_unit, parse_quantity
from mlperf_registry.schema.sections import Backend, Benchmark, Precision
from mlperf_registry.schema.workload import Workload

T = TypeVar("T")
Path = tuple[str, ...]
Origin = Callable[[Path], "tuple[str | None, int | None]"]

_BAD = object()
"""Stands for a value that could not be made; its problem is already noted."""

_PRECISIONS = get_args(Precision)

_case = cache(Case)
"""One Case for all that are equal: what is looked up by it is then found by identity."""

_OWNERS: dict[type, tuple[str, Callable[[str], Any]]] = {
    Benchmark: ("family", plugins.benchmark),
    Backend: ("name", plugins.backend),
}
"""Sections with an ``options`` field, the sibling that names who owns it, and the table of owners."""


@attrs.define
class _Context:
    origin: Origin
    canonical: bool
    owned: bool
    problems: list[Problem]
    components: tuple[str, ...] | None = None
    """Engines of the benchmark, once known: a bare value is theirs."""
    known_components: tuple[str, ...] | None = None
    """Keys of a per-component value: those engines, and the ones that only DLAs run."""
    case: Case | None = None
    """Which fields apply; None: any."""
    made: Made | None = None
    """Objects made before."""

    def refuse(self, path: Path, message: str, hint: str | None = None) -> Any:
        origin, line = self.origin(path)
        self.problems.append(Problem(".".join(path), message, origin, line, hint))
        return _BAD


_Convert = Callable[[Any, Path, _Context], Any]


class Made:
    """Sections made of branches that many trees share, each made once; hand one to ``structure`` for all those trees.

    Only for trees that nobody changes, such as those of composed cells, and for one way of structuring.
    """

    def __init__(self, remember: int = 50_000) -> None:
        self._remember = remember
        # Each branch is kept beside what was made of it, so that its id cannot be given to another.
        self._objects: dict[tuple[Any, ...], tuple[Any, Any]] = {}

    def find(self, key: tuple[Any, ...]) -> Any:
        """What ``keep`` was given; None without."""
        known = self._objects.get(key)
        return None if known is None else known[1]

    def keep(self, key: tuple[Any, ...], branch: Any, made: Any) -> None:
        """Remember an object without problems."""
        if len(self._objects) >= self._remember:
            self._objects.clear()
        self._objects[key] = (branch, made)


def structure(
    cls: type[T],
    tree: Mapping[str, Any],
    *,
    origin: Origin | None = None,
    canonical: bool = False,
    owned: bool = True,
    made: Made | None = None,
) -> T:
    """The object of ``cls`` that ``tree`` describes.

    Args:
        cls: an attrs class whose fields were made by ``knob``.
        tree: plain nested dict; a None counts as absent.
        origin: path to (file or override, line), for the problems.
        canonical: the tree is JSON of ours, so numbers are bare and in the canonical unit.
        owned: make ``options`` too; without, they are left out, and no plug-in's code is loaded.
        made: sections made of other trees, which share branches with this one.

    Raises:
        ConfigError: with every problem of the tree.
        NotReady: when the plug-in that owns ``options`` does not load.
    """
    context = _Context(origin or _nowhere, canonical, owned, [], made=made)
    wanted: Any = cls
    result: T = _convert_class(wanted)(tree, (), context)
    if context.problems:
        raise ConfigError(context.problems)
    return result


def unstructure(value: Any) -> Any:
    """Plain dicts, lists and scalars, in canonical units: what ``structure(..., canonical=True)`` reads back."""
    if attrs.has(type(value)):
        return {field.name: unstructure(getattr(value, field.name)) for field in attrs.fields(type(value))}
    if isinstance(value, Mapping):
        return {key: unstructure(item) for key, item in value.items()}
    if isinstance(value, (tuple, list)):
        return [unstructure(item) for item in value]
    return value


def value_at(workload: Workload, path: str) -> tuple[Any, bool] | None:
    """The value at a dotted path, and whether it is the default of its field.

    None where the benchmark or backend owns no such option: one builder serves families with different options.
    """
    node: Any = workload
    default: Any = attrs.NOTHING
    for name in path.split("."):
        field = attrs.fields_dict(type(node)).get(name) if attrs.has(type(node)) else None
        if field is None:
            return None
        default, node = field.default, getattr(node, name)
    return node, default is not attrs.NOTHING and bool(node == default)


def values_at(workload: Workload, paths: Iterable[str]) -> dict[str, Any]:
    """The values at dotted paths, unstructured, as a Recipe has them; paths that ``value_at`` does not find are left
    out."""
    found = ((path, value_at(workload, path)) for path in paths)
    return {path: unstructure(value[0]) for path, value in found if value is not None}


def leaf_fields(cls: type, prefix: Path = ()) -> Iterable[tuple[Path, attrs.Attribute[Any], Any]]:
    """(path, attribute, type) of every leaf of ``cls``, nested classes walked; ``options`` count as one leaf."""
    for field, hint in _fields(cls):
        nested = _attrs_class(hint)
        if nested is not None:
            yield from leaf_fields(nested, (*prefix, field.name))
        else:
            yield (*prefix, field.name), field, hint


def _nowhere(path: Path) -> tuple[None, None]:
    return None, None


@cache
def _fields(cls: type) -> tuple[tuple[attrs.Attribute[Any], Any], ...]:
    hints = get_type_hints(cls)
    return tuple((field, hints[field.name]) for field in attrs.fields(cls))


def _attrs_class(hint: Any) -> type | None:
    return hint if isinstance(hint, type) and attrs.has(hint) else None


@cache
def _convert_class(cls: Any) -> _Convert:
    owned = cls in _OWNERS
    names = [field.name for field, _ in _fields(cls)]
    known = frozenset(names)
    required = [field.name for field, _ in _fields(cls) if field.default is attrs.NOTHING]
    converters = {
        field.name: _convert_field(hint, knob_of(field))
        for field, hint in _fields(cls)
        if not (owned and field.name == "options")
    }
    alone = not owned and not _depends(cls)

    def convert(tree: Any, path: Path, context: _Context) -> Any:
        if type(tree) is not dict and not isinstance(tree, Mapping):  # the second takes ten times as long
            return context.refuse(path, f"expected a section with {', '.join(names)}, got {tree!r}")
        if cls is Workload:
            _note_identities(tree, context)
            return convert_new(tree, path, context)
        if context.made is None:
            return convert_new(tree, path, context)
        key = (cls, id(tree)) if alone else (cls, id(tree), context.case, context.known_components)
        found = context.made.find(key)
        if found is None:
            found = convert_new(tree, path, context)
            if found is not _BAD:
                context.made.keep(key, tree, found)
        return found

    def convert_new(tree: Mapping[str, Any], path: Path, context: _Context) -> Any:
        before = len(context.problems)
        if not known.issuperset(tree):
            for key in tree:
                if key not in known:
                    context.refuse((*path, str(key)), "no such field", nearest(str(key), names))
        refused: frozenset[str] = frozenset() if context.case is None else inapplicable(cls, context.case)
        made: dict[str, Any] = {}
        for name, value in tree.items():
            if value is None:
                continue
            if context.case is not None and name in refused:
                context.refuse((*path, name), *refusal(cls, name, context.case))
            elif name in converters:
                made[name] = converters[name](value, (*path, name), context)
        for name in required:
            if tree.get(name) is None:
                context.refuse((*path, name), "required, and nothing sets it")
        if owned:
            made["options"] = _convert_options(cls, tree, path, context)
        return _BAD if len(context.problems) > before else cls(**made)

    return convert


def _depends(cls: type) -> bool:
    """Whether what is made depends on more than the section: on the cell that it stands in."""
    return any(
        knob_of(field).applies != EVERYWHERE
        or PerComponent in (get_origin(hint), *map(get_origin, get_args(hint)))
        or (_attrs_class(hint) is not None and (hint in _OWNERS or _depends(hint)))
        for field, hint in _fields(cls)
    )


def _note_identities(tree: Mapping[str, Any], context: _Context) -> None:
    """What the identities say that the rest of the workload is judged by, as far as they are well-formed."""

    def names(section: str, field: str) -> tuple[str, ...] | None:
        found = tree[section].get(field) if isinstance(tree.get(section), Mapping) else None
        return tuple(str(name) for name in found) if isinstance(found, (list, tuple)) else None

    def name(section: str, field: str) -> str | None:
        found = tree[section].get(field) if isinstance(tree.get(section), Mapping) else None
        return found if isinstance(found, str) else None

    context.components = names("benchmark", "components")
    if context.components is not None:
        context.known_components = (*context.components, *(names("benchmark", "dla_components") or ()))
    if not context.canonical:  # canonical trees hold every default, also where it has no effect
        family = name("benchmark", "family")
        ours = family in plugins.OUR_BENCHMARKS
        backend = name("backend", "name")
        context.case = _case(
            name("benchmark", "id") if ours else None,
            family if ours else None,  # which fields a third party's family or backend reads, only its code knows
            name("scenario", "name"),
            name("harness", "name"),
            backend if backend in plugins.OUR_BACKENDS else None,
        )
        if context.owned:
            _refuse_what_code_lacks(tree, family, backend, context)


def _refuse_what_code_lacks(
    tree: Mapping[str, Any], family: str | None, backend: str | None, context: _Context
) -> None:
    """Values that have a meaning, but not with this engine library or this benchmark's code."""
    library, code = plugins.backends().get(backend or ""), plugins.benchmarks().get(family or "")
    if library is not None and library.precisions and isinstance(tree.get("builder"), Mapping):
        asked = tree["builder"].get("precision")
        for key, value in asked.items() if isinstance(asked, Mapping) else ((None, asked),):
            if value in _PRECISIONS and value not in library.precisions:
                path = ("builder", "precision") if key is None else ("builder", "precision", str(key))
                has = ", ".join(library.precisions)
                context.refuse(path, f"{library.name} has {has}, not {value}", f"builder.precision={has}")
    weights = tree["model"].get("weights") if isinstance(tree.get("model"), Mapping) else None
    if weights == "random" and code is not None and code.random_weights is None:
        message = f"no code here builds a network of the family {code.family} from its architecture alone"
        context.refuse(("model", "weights"), message, "model.weights=trained")
    asked = tree["loadgen"].get("test_mode") if isinstance(tree.get("loadgen"), Mapping) else None
    if weights == "random" and asked == "AccuracyOnly":
        message = "random weights have no accuracy that could be measured"
        context.refuse(("loadgen", "test_mode"), message, "loadgen.test_mode=PerformanceOnly")


def _convert_options(cls: type, tree: Mapping[str, Any], path: Path, context: _Context) -> Any:
    sibling, table = _OWNERS[cls]
    owner = tree.get(sibling)
    if not context.owned or not isinstance(owner, str):
        return None
    try:
        target = table(owner).options
    except ConfigError as error:
        for problem in error.problems:
            context.refuse((*path, sibling), problem.message, problem.hint)
        return _BAD
    options = tree.get("options") or {}
    if target is None:
        if options:
            context.refuse((*path, "options"), f"{owner} has no options of its own")
        return None
    return _convert_class(plugins.load(target))(options, (*path, "options"), context)


def _convert_field(hint: Any, knob: Knob) -> _Convert:
    convert = _convert_type(hint, knob)
    check = knob.check
    if check is None:
        return convert
    per_item = get_origin(hint) is not None  # a plain number or text holds no items

    def checked(value: Any, path: Path, context: _Context) -> Any:
        made = convert(value, path, context)
        if made is _BAD:
            return made
        for item in made.values() if per_item and isinstance(made, Mapping) else (made,):
            wrong = check(item)
            if wrong is not None:
                return context.refuse(path, f"{wrong}{f' {knob.unit}' if knob.unit else ''}, got {value!r}")
        return made

    return checked


def _convert_type(hint: Any, knob: Knob) -> _Convert:
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        (inner,) = (argument for argument in arguments if argument is not type(None))
        return _convert_type(inner, knob)
    if origin is Literal:
        return _choice(arguments)
    if origin is tuple:
        return _sequence(_convert_type(arguments[0], knob))
    if origin is dict:
        return _mapping(_convert_type(arguments[1], knob), dict)
    if origin is FrozenMap:
        return _mapping(_convert_type(arguments[0], knob), FrozenMap)
    if origin is PerComponent:
        return _per_component(_convert_type(arguments[0], knob), knob.one_for_all)
    if _attrs_class(hint) is not None:
        return _convert_class(hint)
    if hint is int and is_quantity_unit(knob.unit):
        return _quantity(knob)
    return {bool: _boolean, int: _integer, float: _number, str: _text, Any: _anything}[hint]


def _choice(choices: tuple[Any, ...]) -> _Convert:
    def convert(value: Any, path: Path, context: _Context) -> Any:
        if isinstance(value, str) and value in choices:
            return value
        shown = ", ".join(str(choice) for choice in choices)
        return context.refuse(path, f"must be one of {shown}, got {value!r}", meant(str(value), map(str, choices)))

    return convert


def _sequence(convert_item: _Convert) -> _Convert:
    def convert(value: Any, path: Path, context: _Context) -> Any:
        if not isinstance(value, (list, tuple)):
            return context.refuse(path, f"expected a list, got {value!r}")
        made = tuple(convert_item(item, path, context) for item in value)
        return _BAD if _BAD in made else made

    return convert


def _mapping(convert_item: _Convert, make: Callable[[dict[str, Any]], Any]) -> _Convert:
    def convert(value: Any, path: Path, context: _Context) -> Any:
        if not isinstance(value, Mapping):
            return context.refuse(path, f"expected a mapping, got {value!r}")
        made = {
            str(key): convert_item(item, (*path, str(key)), context) for key, item in value.items() if item is not None
        }
        return _BAD if any(item is _BAD for item in made.values()) else make(made)

    return convert


def _per_component(convert_item: _Convert, one_for_all: bool) -> _Convert:
    whole = _mapping(convert_item, PerComponent)

    def convert(value: Any, path: Path, context: _Context) -> Any:
        components, known = context.components, context.known_components
        if not isinstance(value, Mapping):
            if components is not None and len(components) > 1 and not one_for_all:
                shown = ", ".join(f"{component}: ..." for component in components)
                return context.refuse(
                    path, f"one value for {len(components)} components, got {value!r}", f"write {{{shown}}}"
                )
            made = convert_item(value, path, context)
            return _BAD if made is _BAD else PerComponent(dict.fromkeys(components or ("model",), made))
        unknown = [] if known is None else [str(key) for key in value if key not in known]
        for key in unknown:
            context.refuse((*path, key), "no such component", nearest(key, known or ()))
        return _BAD if unknown else whole(value, path, context)

    return convert


def _quantity(knob: Knob) -> _Convert:
    unit = knob.unit
    assert unit is not None

    def convert(value: Any, path: Path, context: _Context) -> Any:
        if isinstance(value, str) and not context.canonical:
            try:
                return parse_quantity(value, unit)
            except ValueError as error:
                return context.refuse(path, str(error))
        if (knob.unit_in_name or context.canonical) and isinstance(value, int) and not isinstance(value, bool):
            return value
        if isinstance(value, (int, float)) and not isinstance(value, bool) and not knob.unit_in_name:
            return context.refuse(path, f"{value!r} of what?", f"write it with a unit, such as {example(unit)}")
        return context.refuse(path, f"expected a quantity such as {example(unit)!r}, got {value!r}")

    return convert


def _boolean(value: Any, path: Path, context: _Context) -> Any:
    return value if isinstance(value, bool) else context.refuse(path, f"expected true or false, got {value!r}")


def _integer(value: Any, path: Path, context: _Context) -> Any:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    return context.refuse(path, f"expected a whole number, got {value!r}")


def _number(value: Any, path: Path, context: _Context) -> Any:
    if isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value):
        return value
    return context.refuse(path, f"expected a number, got {value!r}")


def _text(value: Any, path: Path, context: _Context) -> Any:
    return value if isinstance(value, str) else context.refuse(path, f"expected text, got {value!r}")


def _anything(value: Any, path: Path, context: _Context) -> Any:
    return value

"""``mlperf completion``: scripts that ask back for candidates: verbs, flags, groups, options, fields and their values.

Where nothing of ours can stand, the scripts let the shell complete names of files. Answered from file names and the
schema, without Hydra, since every press of the tab key waits for it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import get_args

from mlperf_registry.cli.request import Request
from mlperf_registry.cli.verbs import BENCHMARK, FROM, LISTED, VERBS
from mlperf_registry.schema.nearest import nearest
from mlperf_registry.schema.problem import ConfigError, Problem

_CANDIDATES = "candidates"

_BASH = """\
# mlperf completion for bash
_mlperf() {
    local line=${COMP_LINE:0:COMP_POINT} word
    word=${line##*[[:space:]]}
    local IFS=$'\\n'
    COMPREPLY=($(mlperf completion candidates "$line" 2>/dev/null))
    # bash takes "=" for the end of a word, and replaces only what follows.
    case $word in *=*) COMPREPLY=("${COMPREPLY[@]#"${word%"${word##*=}"}"}") ;; esac
    case ${COMPREPLY[0]-} in *=) compopt -o nospace ;; esac
}
complete -o default -F _mlperf mlperf
"""

_ZSH = """\
#compdef mlperf
_mlperf() {
    local -a found open
    found=(${(f)"$(mlperf completion candidates "${(j: :)words[1,CURRENT]}" 2>/dev/null)}"})
    open=(${(M)found:#*=})
    found=(${found:#*=})
    (( $#open + $#found )) || { _files; return }
    compadd -Q -S '' -- $open
    compadd -Q -- $found
}
compdef _mlperf mlperf
"""

_FISH = """\
# mlperf completion for fish
function __mlperf_candidates
    mlperf completion candidates (commandline -cp) 2>/dev/null
end
complete -c mlperf -f -a '(__mlperf_candidates)'
complete -c mlperf -n 'not __mlperf_candidates | string length -q' -F
"""

_SCRIPTS = {"bash": _BASH, "zsh": _ZSH, "fish": _FISH}


def completion(request: Request) -> int:
    """Answer ``mlperf completion SHELL``, and for the scripts ``mlperf completion candidates LINE``."""
    shell, *rest = request.words or ("",)
    if shell == _CANDIDATES and len(rest) == 1:
        print("\n".join(candidates(rest[0])))
        return 0
    if shell not in _SCRIPTS or rest:
        raise ConfigError([Problem(shell or "completion", "name your shell", hint=nearest(shell, _SCRIPTS))])
    print(_SCRIPTS[shell], end="")
    return 0


def candidates(line: str) -> list[str]:
    """What may stand for the last word of ``line``, from ``mlperf`` to the cursor; nothing where that is a file."""
    words = line.split()[1:]
    current = "" if line[-1:].isspace() or not words else words.pop()
    found = VERBS if not words else _arguments(words, current)
    return sorted(word for word in found if word.startswith(current))


def _arguments(words: list[str], current: str) -> Iterable[str]:
    verb = VERBS.get(words[0])
    if verb is None:
        return ()
    if verb.parts:
        if len(words) == 1 and not current.startswith("-"):
            return [part.word for part in verb.parts]
        verb = next((part for part in verb.parts if part.word in words[1:2]), verb)
    if current.startswith("-"):
        return [name for flag in verb.flags for name in (flag.name, flag.short) if name is not None]
    awaited = next((flag for flag in verb.flags if flag.name == words[-1] and flag.metavar and not flag.default), None)
    if awaited is not None:
        group = {FROM: "system", BENCHMARK: "benchmark"}.get(awaited)
        return () if group is None else _options(group)
    if verb.name == "list":
        return LISTED if len(words) == 1 else _filters(words[1], current)
    if verb.name == "completion":
        return _SCRIPTS
    if verb.name in ("systems show", "systems describe"):
        return _options("system")
    if "group=option" not in verb.usage:
        return ()
    key, equals, value = current.partition("=")
    if equals:
        begun = value.rpartition(",")[0]
        return [f"{key}={begun}{',' if begun else ''}{option}" for option in _values(key)]
    return _keys(bare=verb.name == "explain")


def _filters(what: str, current: str) -> Iterable[str]:
    """Filters of what is listed, and their values."""
    from mlperf_registry.cli.list import filter_keys, filter_values

    key, equals, _ = current.partition("=")
    if not equals:
        return [f"{known}=" for known in filter_keys(what)]
    return [f"{key}={value}" for value in filter_values(what, key)]


def _keys(*, bare: bool) -> Iterable[str]:
    from mlperf_registry.compose.fields import workload_fields

    yield from (f"{group}=" for group in _library_groups())
    for path in workload_fields():
        yield f"{path}="
        if bare:
            yield path


def _options(group: str) -> Iterable[str]:
    from mlperf_registry.cli.session import open_registry

    return open_registry(()).library.options(group)


def _library_groups() -> tuple[str, ...]:
    from mlperf_registry.cli.session import open_registry

    return open_registry(()).library.groups


def _values(key: str) -> Iterable[str]:
    from mlperf_registry.cli.session import allowed_texts, open_registry
    from mlperf_registry.compose.fields import workload_fields

    library = open_registry(()).library
    if key in library.groups:
        return (*library.options(key), "auto") if key == "system" else library.options(key)
    if key == "round":
        from mlperf_registry.rules.round import round_names

        return round_names()
    field = workload_fields().get(key)
    if field is not None and bool in (field.type, *get_args(field.type)):
        return ("true", "false")
    return allowed_texts(key)

"""The words that follow ``mlperf systems PART``: none, or one."""

from __future__ import annotations

from mlperf_registry.cli.request import Request
from mlperf_registry.registry import Registry
from mlperf_registry.schema.nearest import nearest
from mlperf_registry.schema.problem import ConfigError, Problem


def no_words(request: Request) -> None:
    """Check that nothing follows.

    Raises:
        ConfigError: when something does.
    """
    if request.words:
        raise ConfigError(Problem(word, "means nothing here", hint=request.verb.usage) for word in request.words)


def one_word(request: Request) -> str:
    """The one word that follows.

    Raises:
        ConfigError: when there is none, or more.
    """
    if len(request.words) != 1 or not request.words[0]:
        raise ConfigError([Problem(request.verb.name, "needs one name", hint=request.verb.usage)])
    return request.words[0]


def system_option(registry: Registry, name: str, where: str) -> str:
    """The option of a system that is called by its id or one of its aliases, in any case.

    Raises:
        ConfigError: with the nearest names, when there is none.
    """
    names = registry.identities.aliases("system")
    if name.lower() not in names:
        hint = nearest(name, registry.library.options("system"))
        raise ConfigError([Problem(where, f"there is no system {name!r}", hint=hint)])
    return names[name.lower()]

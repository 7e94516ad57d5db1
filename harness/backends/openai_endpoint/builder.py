"""The builder of openai_endpoint: an engine is the word of which servers are asked, and nothing is built."""

from __future__ import annotations

import json
from pathlib import Path
from typing import ClassVar

from harness.backends.openai_endpoint.address import Address
from harness.backends.openai_endpoint.command import check_command
from mlperf_registry.schema.engine import Recipe
from mlperf_registry.schema.problem import ConfigError, Problem, problems_in

ENGINE_FILE = "endpoint.json"

URLS, COMMAND = "llm.trtllm_server_urls", "backend.options.server_command"


class OpenAIEndpointBuilder:
    """Checks where the servers are, or how one is started, and writes it down."""

    version: ClassVar[int] = 1
    """Part of the engine key; raised when the same recipe gives another engine."""

    def build(self, recipe: Recipe, folder: Path) -> str:
        """Write endpoint.json into ``folder`` and return its name.

        Raises:
            ConfigError: when there are no servers, an address is none, or servers are both named and to be started.
        """
        urls, command = tuple(recipe.values[URLS]), tuple(recipe.values[COMMAND])
        check_servers(urls, command)
        engine = {"servers": list(urls), "command": list(command)}
        (folder / ENGINE_FILE).write_text(json.dumps(engine, indent=1) + "\n", encoding="utf-8")
        return ENGINE_FILE


def check_servers(urls: tuple[str, ...], command: tuple[str, ...]) -> tuple[Address, ...]:
    """The addresses, checked together with the command.

    Raises:
        ConfigError: see ``OpenAIEndpointBuilder.build``.
    """
    addresses, problems = [], [*problems_in(lambda: check_command(command))]
    if bool(urls) == bool(command):
        message = "is set together with " + COMMAND if urls else "is empty, and so is " + COMMAND
        hint = f"{URLS}=[http://HOST:PORT] for servers that run, {COMMAND}=[vllm] for one to start"
        problems.append(Problem(URLS, message, hint=hint))
    for url in urls:
        try:
            addresses.append(Address.parse(url))
        except ValueError as error:
            problems.append(Problem(URLS, f"{url.rpartition('@')[2]!r} {error}", hint="http://HOST:PORT"))
    if problems:
        raise ConfigError(problems)
    return tuple(addresses)

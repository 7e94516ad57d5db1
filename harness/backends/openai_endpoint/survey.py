"""What a server is, before any sample goes to it: its models, who made it, and whether its answers carry token ids."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from pathlib import Path
from typing import Any

import attrs
import numpy as np

from harness.backends.openai_endpoint.address import Address
from harness.backends.openai_endpoint.answer import error_message
from harness.backends.openai_endpoint.credentials import VARIABLE, api_key, headers, redacted
from harness.backends.openai_endpoint.interface import KINDS, Interface, Kind
from harness.llm.request import Request
from mlperf_registry.schema.problem import NotReady

_ASK_SECONDS = 10.0
_OTHER_API = (400, 404, 405, 415, 422, 501)
"""Statuses of servers that lack an API, or take prompts in another form; others would say the same to any."""
_TAUGHT = ("instruct", "chat")
"""What names add where a model was taught to answer."""
_FORMATS = (
    "fp(4|8|16)|bf16|nvfp4|mxfp4|int[48]|w[0-9]+a[0-9]+|awq|gptq|gguf|q[0-9](k[sml]?|[01])?|kv|dynamic|quantized"
    "|modelopt"
)
_DRESS = re.compile(f"(meta|instruct|chat|hf|it|[0-9]+b|v?[0-9]+|{_FORMATS})*")
"""What else names add to a model and leave it the same: whose it is, releases, number formats."""
_FORMAT = re.compile(f"({_FORMATS})*")


@attrs.frozen
class Served:
    """A model that a server has."""

    name: str
    kind: Kind
    """Who made the server, as far as it says."""
    longest: int | None
    """Most tokens of prompt and answer together, where it says."""


def ask(address: Address, path: str, body: bytes | None = None, timeout: float = _ASK_SECONDS) -> tuple[int, bytes]:
    """Status and body of one request: GET, or POST of JSON.

    Raises:
        OSError, HTTPException: when there is no answer.
    """
    kind = HTTPSConnection if address.tls else HTTPConnection
    connection = kind(address.host, address.port, timeout=timeout)
    try:
        fields = headers() if body is None else {"Content-Type": "application/json", **headers()}
        connection.request("GET" if body is None else "POST", address.prefix + path, body, fields)
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def served_models(address: Address) -> list[Served]:
    """The models of a server.

    Raises:
        NotReady: when no server answers, it wants another key, or it does not list its models.
    """
    status, body = _answered(address, "/v1/models", None, _ASK_SECONDS)
    try:
        entries = [entry for entry in json.loads(body)["data"] if isinstance(entry["id"], str)]
    except (ValueError, KeyError, TypeError):
        said = redacted(error_message(body))
        raise NotReady(
            f"{address} is no OpenAI-compatible server: to GET /v1/models it answered {status}, {said}."
        ) from None
    return [
        Served(entry["id"], KINDS.get(str(entry.get("owned_by")).lower(), "openai"), _longest(entry))
        for entry in entries
    ]


def choose_model(
    address: Address,
    models: Sequence[Served],
    named: str | None,
    benchmark: str,
    path: str | None,
    architecture: str | None = None,
) -> Served:
    """The model to ask: the one that is named, else the one called as the benchmark or its model's file is.

    Else it is the only one whose name is that of the benchmark's model, with nothing in it that makes it another; or
    that of its file but for the file's number format.

    Args:
        address: the server's, for messages.
        models: what it has.
        named: ``backend.options.model_name``.
        benchmark: id of the benchmark.
        path: ``model.path``.
        architecture: ``model.architecture``, the model of benchmarks that are not called as it is.

    Raises:
        NotReady: when it has no such model, or several.
    """
    there = ", ".join(model.name for model in models) or "none"
    if named is not None:
        found = [model for model in models if model.name == named]
        if not found:
            raise NotReady(f"{address} does not serve {named} (backend.options.model_name); its models: {there}.")
        return found[0]
    file = None if path is None else _base(path)
    found = [model for model in models if model.name == benchmark or _base(model.name) == file]
    if not found:
        found = [model for model in models if _may_be(_base(model.name), _plain(architecture or benchmark), file)]
    if len(found) != 1:
        raise NotReady(
            f"{address} serves {'several models that may be' if found else 'no model that is known as'} {benchmark}'s; "
            f"its models: {there}. Where one of them is it, say so: backend.options.model_name=NAME."
        )
    return found[0]


def _may_be(name: str, benchmark: str, file: str | None) -> bool:
    """Whether a model of this name may be the benchmark's, whose own file has another."""
    if file is not None and any(word in file for word in _TAUGHT) and not any(word in name for word in _TAUGHT):
        return False
    if file is not None and name and file.startswith(name) and _FORMAT.fullmatch(file, len(name)):
        return True
    before, found, after = name.partition(benchmark)
    return bool(found and _DRESS.fullmatch(before) and _DRESS.fullmatch(after))


def sends_ids(address: Address, interface: Interface, timeout: float) -> bool:
    """Ask for two tokens: whether the answer has their ids.

    Raises:
        LookupError: when the server has no such API, or not for such a request; a sentence.
        NotReady: when it does not answer, answers another error, or wants another key.
    """
    limits = attrs.evolve(interface.generation, max_tokens=2, min_tokens=1, streaming=False)
    envelope = attrs.evolve(interface, generation=limits).envelope()
    request = envelope.body(Request(0, np.array([1, 2, 3], np.int32), "Hello"))
    status, body = _answered(address, interface.path, request, timeout)
    if status != 200:
        said = redacted(f"{address}{interface.path} answered {status}: {error_message(body)}.")
        raise LookupError(said) if status in _OTHER_API else NotReady(said)
    try:
        return bool(json.loads(body)["choices"][0].get("token_ids"))
    except (ValueError, LookupError, TypeError, AttributeError):
        raise LookupError(f"{address}{interface.path} answered with what is no completion: {body[:120]!r}.") from None


def _answered(address: Address, path: str, body: bytes | None, timeout: float) -> tuple[int, bytes]:
    try:
        status, answer = ask(address, path, body, timeout)
    except TimeoutError as error:
        raise NotReady(_silent(address, path, body, timeout)) from error
    except (HTTPException, ConnectionResetError, BrokenPipeError) as error:
        how = "the connection ended" if isinstance(error, OSError) else type(error).__name__
        raise NotReady(f"{address} broke off its answer to {path} ({how}): its own log may say why.") from error
    except OSError as error:
        raise NotReady(f"No server answers at {address}: {error or type(error).__name__}. Is it running?") from error
    if status in (401, 403):
        cure = f"set ${VARIABLE}" if api_key() is None else f"the key in ${VARIABLE} is not accepted"
        raise NotReady(redacted(f"{address} answered {status}, {error_message(answer)}: {cure}."))
    return status, answer


def _silent(address: Address, path: str, body: bytes | None, timeout: float) -> str:
    said = f"{address} said nothing to {path} for {timeout:g} s"
    return f"{said}. Does it still load its model?" if body is None else f"{said} (backend.options.timeout)."


def _longest(entry: dict[str, Any]) -> int | None:
    found = entry.get("max_model_len")
    return found if isinstance(found, int) and found > 0 else None


def _base(name: str) -> str:
    return _plain(Path(name).name.removesuffix(".gguf"))


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())

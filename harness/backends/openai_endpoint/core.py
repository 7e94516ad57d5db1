"""EndpointCore: one server as a Core, asked by one client or several.

What it serves and which words it knows is found out before any sample goes to it.
"""

from __future__ import annotations

import json
import resource
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import attrs

from harness.backends.openai_endpoint.address import Address
from harness.backends.openai_endpoint.answer import encoder
from harness.backends.openai_endpoint.client import Client
from harness.backends.openai_endpoint.exchange import Counts, Limits
from harness.backends.openai_endpoint.interface import TOLD_ENDS, Api, Interface, Kind
from harness.backends.openai_endpoint.server import Server
from harness.backends.openai_endpoint.survey import choose_model, sends_ids, served_models
from harness.backends.openai_endpoint.worker import Worker
from harness.llm.core import Listener
from harness.llm.request import Generation, Request, Tokens
from mlperf_registry.schema.problem import NotReady


@attrs.frozen(kw_only=True)
class Wanted:
    """What the config says of how a server is asked."""

    benchmark: str
    model_path: str | None
    model_name: str | None
    architecture: str | None = None
    api: Api | None
    """None: the best that the server has."""
    kind: Kind | None
    """None: as the server says."""
    limits: Limits
    processes: int
    reuses_nothing: bool = False
    """Whether it is known not to take over the KV cache of earlier requests."""
    ends: Callable[[], Sequence[int]] = tuple
    """Ids of the tokens at which the model ends an answer of itself, as far as its files here tell."""
    tokenizer: Callable[[], Path]
    """Where the model's tokeniser is; raises NotReady."""


class EndpointCore:
    """One server.

    Args:
        address: where it listens.
        wanted: how it is asked.
        server: the same, where we start and stop it.
        start_seconds: how long its start may take.
        record: file that gets a line of JSON on what the client did, when it is closed.
    """

    def __init__(
        self,
        address: Address,
        wanted: Wanted,
        *,
        record: Path,
        server: Server | None = None,
        start_seconds: float = 0.0,
    ) -> None:
        self._address = address
        self._wanted = wanted
        self._server = server
        self._start_seconds = start_seconds
        self._record = record
        self._clients: list[Client | Worker] = []
        self._share = _Share(0)
        self._longest: int | None = None
        self._kind: Kind | None = None
        self._closing = False
        self._counts = Counts()

    @property
    def name(self) -> str:
        """Its address."""
        return str(self._address)

    @property
    def longest(self) -> int | None:
        """As the server says; see Bounded."""
        return self._longest

    @property
    def capacity(self) -> int:
        """Requests that have a connection at a time."""
        return self._wanted.limits.connections

    def open(self, generation: Generation, listener: Listener) -> None:
        """Start the server where it is ours, see what it is, and get the clients ready.

        Raises:
            NotReady: when no server answers, it lacks the model, cannot be told the limits of answers or take the
                prompts, or a tokeniser is missing.
            RunFailed: when a server of ours does not start.
        """
        if self._server is not None:
            self._server.start(self._start_seconds)
        interface = self._interface(generation)
        wanted = self._wanted
        per_client = -(-wanted.limits.connections // wanted.processes)
        _allow_files()
        limits = attrs.evolve(wanted.limits, connections=per_client)
        self._share = _Share(wanted.processes)
        for number in range(wanted.processes):
            told = _Told(listener, self._share, number)
            if wanted.processes > 1:
                self._clients.append(Worker(self._address, interface, limits, told))
            else:
                encode = None if interface.tokenizer is None else encoder(Path(interface.tokenizer))
                self._clients.append(Client(self._address, interface, limits, told, encode=encode))
        if self._server is not None:
            watch = threading.Thread(target=self._server.wait, args=(self._ended,), name="server", daemon=True)
            watch.start()

    def submit(self, requests: Sequence[Request]) -> None:
        """See Core."""
        shares = self._share.out(requests)
        for client, share in zip(self._clients, shares, strict=True):
            if share:
                client.submit(share)

    def close(self) -> None:
        """End the clients, and the server where it is ours; say what the clients did."""
        self._closing = True
        try:
            for client in self._clients:
                client.close()
                self._counts.add(client.counts)
            if self._clients:
                _write(self._record, self.name, self._counts)
        finally:
            if self._server is not None:
                self._server.stop()

    @property
    def remarks(self) -> list[str]:
        """What a reader of the result must know of how the server was asked, once it is closed."""
        counts, found = self._counts, []
        if counts.retries:
            reasons = ", ".join(f"{reason}: {count:,}" for reason, count in counts.retries.most_common())
            found.append(f"{self.name} was asked again {counts.retries.total():,} times ({reasons}).")
        if counts.encoded_tokens:
            claimed = f"{counts.claimed_tokens:,}" if counts.claimed_tokens else "no number"
            found.append(
                f"{self.name} answers with text: its {counts.encoded_tokens:,} tokens are those that "
                f"model.tokenizer_path makes of it, and the server itself says {claimed}."
            )
        if self._kind in ("tensorrt_llm", "openai") and not self._wanted.reuses_nothing:
            found.append(
                f"Whether {self.name} takes over the KV cache of earlier prompts, which MLPerf forbids, cannot be seen "
                "from here: look that its reuse of blocks, or prefix caching, is off."
            )
        return found

    def _ended(self, how: str) -> None:
        if not self._closing:
            for client in self._clients:
                client.give_up(how)

    def _interface(self, generation: Generation) -> Interface:
        wanted = self._wanted
        model = choose_model(
            self._address,
            served_models(self._address),
            wanted.model_name,
            wanted.benchmark,
            wanted.model_path,
            wanted.architecture,
        )
        kind, self._longest = wanted.kind or model.kind, model.longest
        self._kind = kind
        apis: tuple[Api, ...] = ("tokens",) if kind == "vllm" else ()
        apis = (*apis, "completions", "text") if wanted.api is None else (wanted.api,)
        if kind not in TOLD_ENDS and generation.stop_token_ids and set(generation.stop_token_ids) == set(wanted.ends()):
            generation = attrs.evolve(generation, stop_token_ids=())
        interface = Interface(api=apis[0], kind=kind, model=model.name, generation=generation)
        unkept = interface.unkept()
        if unkept is not None:
            words = "OpenAI's" if kind == "openai" else kind
            raise NotReady(f"{self.name} is asked in the words of {words} (backend.options.server). {unkept}")
        return self._answering([attrs.evolve(interface, api=api) for api in apis])

    def _answering(self, interfaces: Sequence[Interface]) -> Interface:
        """The first interface that the server answers to."""
        said = []
        for interface in interfaces:
            try:
                if sends_ids(self._address, interface, self._wanted.limits.silence_s):
                    return interface
            except LookupError as error:
                said.append(str(error))
                continue
            return attrs.evolve(interface, tokenizer=str(self._wanted.tokenizer()))
        raise NotReady(" ".join(said))


class _Share:
    """How many requests each client has, so that the next goes to the one with fewest."""

    def __init__(self, clients: int) -> None:
        self._pending = [0] * clients
        self._lock = threading.Lock()

    def out(self, requests: Sequence[Request]) -> list[list[Request]]:
        """The share of each client."""
        shares: list[list[Request]] = [[] for _ in self._pending]
        with self._lock:
            for request in requests:
                client = self._pending.index(min(self._pending))
                self._pending[client] += 1
                shares[client].append(request)
        return shares

    def ended(self, client: int, count: int) -> None:
        """So many requests of a client have ended."""
        with self._lock:
            self._pending[client] -= count


@attrs.frozen
class _Told:
    """The Listener of one client: the core's, and the count of its requests."""

    listener: Listener
    share: _Share
    client: int

    def first_token(self, ids: Sequence[int], tokens: Sequence[Tokens]) -> None:
        self.listener.first_token(ids, tokens)

    def progress(self, tokens: int) -> None:
        self.listener.progress(tokens)

    def finish(self, ids: Sequence[int], outputs: Sequence[Tokens]) -> None:
        self.share.ended(self.client, len(ids))
        self.listener.finish(ids, outputs)

    def fail(self, ids: Sequence[int], reason: str) -> None:
        self.share.ended(self.client, len(ids))
        self.listener.fail(ids, reason)


def _allow_files() -> None:
    """Let this process, and those that it starts, have as many connections as the system lets a user have."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _write(record: Path, name: str, counts: Counts) -> None:
    line = json.dumps({"server": name, **attrs.asdict(counts)})
    with record.open("a", encoding="utf-8") as file:
        file.write(line + "\n")

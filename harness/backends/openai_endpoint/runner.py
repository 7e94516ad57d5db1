"""OpenAIEndpointRunner: the shared runner of language models, over one core for each server."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from harness.backends.openai_endpoint.address import Address
from harness.backends.openai_endpoint.builder import check_servers
from harness.backends.openai_endpoint.command import HOST, reuses_nothing, server_command
from harness.backends.openai_endpoint.core import EndpointCore, Wanted
from harness.backends.openai_endpoint.credentials import api_key
from harness.backends.openai_endpoint.exchange import Limits
from harness.backends.openai_endpoint.server import Server, free_port
from harness.llm.checkpoint import end_tokens
from harness.llm.core import Core
from harness.llm.runner import LLMRunner
from harness.llm.tokenizer import find_tokenizer
from mlperf_registry import plugins
from mlperf_registry.roots import resolve_path
from mlperf_registry.schema.backends.openai_endpoint import OpenAIEndpointOptions
from mlperf_registry.schema.problem import NotReady
from mlperf_registry.schema.run import Run

CLIENT_RECORD = "client.jsonl"
"""What the clients did: a line for each server and test, in the run's folder."""
SERVER_LOG = "server.log"


class OpenAIEndpointRunner(LLMRunner):
    """A Runner whose engines are behind addresses."""

    @property
    def remarks(self) -> Sequence[str]:
        """What each server was asked for twice, and what of it cannot be known; see Remarking."""
        return [remark for core in self._cores if isinstance(core, EndpointCore) for remark in core.remarks]

    def cores(self, run: Run) -> Sequence[Core]:
        """One for each server of ``llm.trtllm_server_urls``, or the one that ``backend.options.server_command`` starts.

        Raises:
            ConfigError: as the builder's ``check_servers``.
            NotReady: when the API key is none, or the model of a server that we start is missing.
        """
        workload = run.workload
        options: OpenAIEndpointOptions = workload.backend.options
        addresses = check_servers(workload.llm.trtllm_server_urls, options.server_command)
        api_key()
        wanted, record = _wanted(run), Path(run.folder, CLIENT_RECORD)
        if addresses:
            return [EndpointCore(address, wanted, record=record) for address in addresses]
        address = Address(HOST, free_port())
        command = server_command(workload, partial(_model, run), address.port, Path(run.folder))
        server = Server(command, address, Path(run.folder, SERVER_LOG))
        seconds = workload.runtime.load_timeout / 1000
        return [EndpointCore(address, wanted, record=record, server=server, start_seconds=seconds)]


def _wanted(run: Run) -> Wanted:
    workload = run.workload
    options: OpenAIEndpointOptions = workload.backend.options
    return Wanted(
        benchmark=workload.benchmark.id,
        model_path=workload.model.path,
        model_name=options.model_name,
        architecture=workload.model.architecture,
        api=None if options.api == "auto" else options.api,
        kind=None if options.server == "auto" else options.server,
        limits=Limits(connections=options.connections, retries=options.retries, silence_s=options.timeout / 1000),
        processes=options.client_processes,
        reuses_nothing=reuses_nothing(options.server_command),
        ends=partial(_ends, run),
        tokenizer=lambda: find_tokenizer(workload.model, _scratch(run)),
    )


def _model(run: Run) -> Path:
    """The model of a server that we start; one with random weights is made in the run's folder.

    Some servers call a model as its folder is called.
    """
    workload = run.workload
    if workload.model.weights == "trained":
        return resolve_path(workload.model.path, _scratch(run), source=workload.model.source)
    make = plugins.load(str(plugins.require_harness(workload.benchmark.family).random_weights))
    folder = Path(run.folder, "random-weights", workload.benchmark.id)
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in make(workload.model, workload.benchmark.options).items():
        (folder / name).write_bytes(content)
    return folder


def _ends(run: Run) -> tuple[int, ...]:
    try:
        return end_tokens(resolve_path(run.workload.model.path, _scratch(run), source=run.workload.model.source))
    except NotReady:  # the server alone has it
        return ()


def _scratch(run: Run) -> Path | None:
    return None if run.scratch is None else Path(run.scratch)

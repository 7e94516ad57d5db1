"""OpenVINOCore: one pipeline of OpenVINO GenAI, which batches continuously, and the thread that steps it."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import attrs
import numpy as np

from harness.backends.openvino.builder import GRAPH_FILE
from harness.backends.openvino.library import import_genai, import_openvino
from harness.backends.openvino.network import CONTEXT_LENGTH
from harness.llm.core import Listener, tell
from harness.llm.request import Generation, Request, Tokens
from mlperf_registry.schema.problem import NotReady, RunFailed

_DEVICE = "CPU"


@attrs.frozen(kw_only=True)
class Tuning:
    """How the pipeline computes and batches."""

    properties: dict[str, str]
    """OpenVINO's properties of the compiled model."""
    max_num_batched_tokens: int
    max_num_seqs: int


@attrs.define(eq=False)
class _Answer:
    """A request under way."""

    handle: Any
    tokens: list[int] = attrs.field(factory=list)


class OpenVINOCore:
    """A Core.

    Args:
        folder: the engine's, as OpenVINOBuilder left it.
        tuning: see Tuning.
    """

    name = _DEVICE
    capacity: int | None = None
    """GenAI queues what it cannot run yet."""

    def __init__(self, folder: Path, tuning: Tuning) -> None:
        self._folder = folder
        self._tuning = tuning
        self._changed = threading.Condition()
        self._arrived: list[Request] = []
        self._under_way: dict[int, _Answer] = {}
        self._closing = False
        self._dead: str | None = None
        self._thread: threading.Thread | None = None
        self._longest: int | None = None

    @property
    def longest(self) -> int | None:
        """See Bounded: what the model was made for."""
        return self._longest

    def open(self, generation: Generation, listener: Listener) -> None:
        """See Core.

        Raises:
            NotReady: when the engine or openvino-genai is absent.
            RunFailed: when the engine cannot be loaded.
        """
        graph = self._folder / GRAPH_FILE
        if not graph.is_file():
            raise NotReady(f"The engine {graph} is missing: build it with `mlperf build`.")
        genai, openvino = import_genai(), import_openvino()
        try:
            self._longest = int(openvino.Core().read_model(graph).get_rt_info([CONTEXT_LENGTH]).value)
            scheduler = genai.SchedulerConfig()
            scheduler.max_num_batched_tokens = self._tuning.max_num_batched_tokens
            scheduler.max_num_seqs = self._tuning.max_num_seqs
            scheduler.dynamic_split_fuse = True
            # MLPerf's rules forbid that one sample's work serves another.
            scheduler.enable_prefix_caching = False
            self._pipeline = genai.ContinuousBatchingPipeline(
                str(self._folder), scheduler, _DEVICE, self._tuning.properties
            )
        except RuntimeError as error:
            raise RunFailed(f"OpenVINO cannot load the engine {self._folder}: {error}") from error
        self._tensor = openvino.Tensor
        self._config = generation_config(genai, generation)
        self._finished = genai.GenerationStatus.FINISHED
        self._listener, self._streaming = listener, generation.streaming
        self._thread = threading.Thread(target=self._work, name="openvino", daemon=True)
        self._thread.start()

    def submit(self, requests: Sequence[Request]) -> None:
        """See Core.

        Raises:
            RunFailed: when the engine has failed.
        """
        with self._changed:
            if self._dead is not None:
                raise RunFailed(self._dead)
            self._arrived.extend(requests)
            self._changed.notify()

    def close(self) -> None:
        """See Core. What is still under way is given up."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join()

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._arrived or self._under_way or self._closing)
                if self._closing:
                    return
                arrived, self._arrived = self._arrived, []
            try:
                self._add(arrived)
                if self._under_way:
                    self._pipeline.step()
                    self._report()
            except Exception as error:  # whatever it is, nothing under way can be answered any more
                self._die(error)
                return

    def _add(self, requests: Sequence[Request]) -> None:
        # All at once, so that none is lost should the engine refuse one.
        self._under_way.update((request.id, _Answer(None)) for request in requests)
        for request in requests:
            prompt = self._tensor(request.prompt[np.newaxis].astype(np.int64))
            self._under_way[request.id].handle = self._pipeline.add_request(request.id, prompt, self._config)

    def _report(self) -> None:
        begun: dict[int, Tokens] = {}
        ended: dict[int, Tokens] = {}
        came = 0
        for number, answer in self._under_way.items():
            before = len(answer.tokens)
            while answer.handle.can_read():
                for output in answer.handle.read().values():
                    answer.tokens.extend(output.generated_ids)
            came += len(answer.tokens) - before
            if self._streaming and not before and answer.tokens:
                begun[number] = np.array(answer.tokens, np.int32)
            if answer.handle.get_status() == self._finished:
                ended[number] = np.array(answer.tokens, np.int32)
        for number in ended:
            del self._under_way[number]
        tell(self._listener, begun=begun, came=came, ended=ended)

    def _die(self, error: Exception) -> None:
        with self._changed:
            self._dead = f"OpenVINO's engine has failed: {error}"
            lost = [*self._under_way, *(request.id for request in self._arrived)]
            self._under_way.clear()
            self._arrived.clear()
        if lost:
            self._listener.fail(lost, self._dead)


def generation_config(genai: Any, generation: Generation) -> Any:
    """GenAI's ``GenerationConfig`` for what a run asks for."""
    config = genai.GenerationConfig()
    config.max_new_tokens = generation.max_tokens
    config.min_new_tokens = generation.min_tokens
    config.ignore_eos = generation.ignore_eos or not generation.stop_token_ids
    # GenAI wants an end token named, even where it is to be ignored.
    ends = generation.stop_token_ids or (0,)
    config.eos_token_id, config.stop_token_ids = ends[0], set(ends)
    config.do_sample = generation.temperature > 0 and generation.top_k != 1
    if config.do_sample:
        config.temperature, config.top_p = generation.temperature, generation.top_p
        if generation.top_k:
            config.top_k = generation.top_k
        if generation.seed is not None:
            config.rng_seed = generation.seed
    return config

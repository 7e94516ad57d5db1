"""vllm.v1.engine.llm_engine, as far as it is called: an engine that answers what it is told to, a token a step."""

import os
import threading
import time
import types

from vllm.sampling_params import RequestOutputKind

EOS = 2


class EngineDeadError(Exception):
    pass


class _EngineCore:
    def __init__(self):
        self.resources = types.SimpleNamespace(engine_dead=False)
        self.ended = False

    def shutdown(self, timeout=None):
        self.ended = True


class _State:
    def __init__(self, prompt, params):
        self.prompt, self.params, self.tokens, self.sent = prompt, params, [], 0


class LLMEngine:
    """Answer number i of a request is the prompt's sum plus i; the prompt [666, ...] makes it die."""

    def __init__(self, asked):
        if asked.model.endswith("broken"):
            raise RuntimeError("Engine core initialization failed. See root cause above.")
        self.asked = asked
        self.engine_core = _EngineCore()
        self.step_seconds = float(os.environ.get("MLPERF_STANDIN_STEP_S", "0.0005"))
        self.model_config = types.SimpleNamespace(max_model_len=asked.max_model_len or 4096)
        self._lock = threading.Lock()
        self._states = {}
        self._silent = threading.Event()

    @classmethod
    def from_engine_args(cls, engine_args, usage_context=None, stat_loggers=None, enable_multiprocessing=False):
        return cls(engine_args)

    def get_supported_tasks(self):
        return ("generate",)

    def has_unfinished_requests(self):
        return bool(self._states)

    def get_num_unfinished_requests(self):
        return len(self._states)

    def abort_request(self, request_ids, internal=False):
        for request_id in request_ids:
            self._states.pop(request_id, None)

    def add_request(
        self,
        request_id,
        prompt,
        params,
        arrival_time=None,
        lora_request=None,
        tokenization_kwargs=None,
        trace_headers=None,
        priority=0,
        prompt_text=None,
    ):
        if not isinstance(request_id, str):
            raise TypeError(f"request_id must be a string, got {type(request_id)}")
        if self.engine_core.resources.engine_dead:
            raise EngineDeadError("EngineCore encountered an issue. See stack trace (above) for the root cause.")
        assert prompt["type"] == "token"
        tokens = prompt["prompt_token_ids"]
        if len(tokens) >= self.model_config.max_model_len:
            raise ValueError(
                f"The decoder prompt (length {len(tokens)}) is longer than the maximum model length of "
                f"{self.model_config.max_model_len}."
            )
        self._states[request_id] = _State(tokens, params)
        return request_id

    def step(self):
        time.sleep(self.step_seconds)
        running = list(self._states.items())[: self.asked.max_num_seqs or 1024]
        for _, state in running:
            if state.prompt[0] == 666:
                raise EngineDeadError("EngineCore encountered an issue. See stack trace (above) for the root cause.")
            if state.prompt[0] == 667:  # its process was killed: nothing ever comes again
                self.engine_core.resources.engine_dead = True
                self._silent.wait()
        return [output for pair in running if (output := self._advance(*pair)) is not None]

    def _advance(self, request_id, state):
        params = state.params
        token = sum(state.prompt) + len(state.tokens)
        state.tokens.append(token)
        reason = None
        if state.prompt[0] == 668:
            reason = "abort"
        elif not params.ignore_eos and token in (params.stop_token_ids or ()):
            reason = "stop"
        elif len(state.tokens) == params.max_tokens:
            reason = "length"
        if reason is not None:
            del self._states[request_id]
        if params.output_kind is RequestOutputKind.FINAL_ONLY and reason is None:
            return None
        delta = params.output_kind is RequestOutputKind.DELTA
        interval = self.asked.stream_interval
        if interval > 1 and reason is None and state.sent and len(state.tokens) - state.sent < interval:
            return None
        tokens = state.tokens[state.sent :] if delta else state.tokens
        state.sent = len(state.tokens)
        answer = types.SimpleNamespace(index=0, text="", token_ids=list(tokens), finish_reason=reason, stop_reason=None)
        return types.SimpleNamespace(
            request_id=request_id, prompt_token_ids=state.prompt, outputs=[answer], finished=reason is not None
        )

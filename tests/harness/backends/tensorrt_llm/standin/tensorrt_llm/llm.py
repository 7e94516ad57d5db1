"""LLM, its results and SamplingParams, with the names and defaults of the documented LLM API."""

import asyncio
import dataclasses
import queue
import types

STRICT = {
    "kv_cache_config": {"enable_block_reuse", "free_gpu_memory_fraction", "dtype", "tokens_per_block", "max_tokens"},
    "scheduler_config": {"capacity_scheduler_policy", "context_chunking_policy", "dynamic_batch_config"},
    "cuda_graph_config": {"batch_sizes", "max_batch_size", "enable_padding"},
    "moe_config": {"backend"},
    "attention_dp_config": {"enable_balance", "timeout_iters", "batching_wait_iters"},
    "torch_compile_config": {"enable_fullgraph"},
}
ARGUMENTS = {
    *STRICT,
    "pipeline_parallel_size",
    "moe_expert_parallel_size",
    "enable_attention_dp",
    "max_batch_size",
    "max_num_tokens",
    "max_input_len",
    "max_seq_len",
    "max_beam_width",
    "enable_chunked_prefill",
    "num_postprocess_workers",
    "load_format",
    "stream_interval",
    "batch_wait_timeout_ms",
}


@dataclasses.dataclass(kw_only=True)
class SamplingParams:
    end_id: int | None = None
    pad_id: int | None = None
    max_tokens: int = 32
    stop_token_ids: list | None = None
    include_stop_str_in_output: bool = False
    top_k: int | None = None
    top_p: float | None = None
    seed: int | None = None
    temperature: float | None = None
    min_tokens: int | None = None
    ignore_eos: bool = False
    detokenize: bool = True


class RequestOutput:
    """Awaitable, and an asynchronous iterator over itself."""

    def __init__(self, prompt, params, streaming, interval):
        self.prompt_token_ids, self._params, self._streaming, self._interval = prompt, params, streaming, interval
        self.outputs = [types.SimpleNamespace(token_ids=[], finish_reason=None)]
        self.finished = False
        # A result made outside of an event loop cannot be waited for in one.
        self._loop = asyncio.get_running_loop()
        self.queue = queue.SimpleQueue()

    async def _advance(self):
        answer, params = self.outputs[0], self._params
        await asyncio.sleep(0.0005)
        if self.prompt_token_ids[0] == 666:
            raise RuntimeError("Executor worker returned error")
        if self.prompt_token_ids[0] == 668:
            self.finished, answer.finish_reason = True, "cancelled"
            return
        token = sum(self.prompt_token_ids) + len(answer.token_ids)
        answer.token_ids.append(token)
        ends = [params.end_id, *(params.stop_token_ids or ())]
        if not params.ignore_eos and token in ends:
            self.finished, answer.finish_reason = True, "stop"
            if not params.include_stop_str_in_output:
                answer.token_ids.pop()
        elif len(answer.token_ids) == params.max_tokens:
            self.finished, answer.finish_reason = True, "length"

    async def _result(self):
        while not self.finished:
            await self._advance()
        return self

    def __await__(self):
        return self._result().__await__()

    def __aiter__(self):
        return self

    async def __anext__(self):
        assert self._streaming
        if self.finished:
            raise StopAsyncIteration
        await self._advance()
        while (
            not self.finished
            and len(self.outputs[0].token_ids) % self._interval
            and (len(self.outputs[0].token_ids) != 1)
        ):
            await self._advance()
        return self


class LLM:
    def __init__(
        self,
        model,
        tokenizer=None,
        tokenizer_mode="auto",
        skip_tokenizer_init=False,
        trust_remote_code=False,
        tensor_parallel_size=1,
        dtype="auto",
        revision=None,
        tokenizer_revision=None,
        **kwargs,
    ):
        unknown = set(kwargs) - ARGUMENTS
        unknown |= {f"{name}.{key}" for name in set(kwargs) & set(STRICT) for key in set(kwargs[name]) - STRICT[name]}
        if unknown:
            raise ValueError(f"Extra inputs are not permitted: {', '.join(sorted(unknown))}")
        self.model, self.tensor_parallel_size, self.kwargs = model, tensor_parallel_size, kwargs
        self.is_shut_down = False

    def generate_async(self, inputs, sampling_params=None, lora_request=None, streaming=False):
        if self.is_shut_down:
            raise RuntimeError("LLM is shutting down")
        if sampling_params.end_id is None:
            raise ValueError("tokenizer is required to reset end_id if it is None")
        if len(inputs) >= (self.kwargs.get("max_seq_len") or 4096):
            raise ValueError(f"The sum of prompt length ({len(inputs)}) and max_tokens should not exceed max_seq_len")
        return RequestOutput(inputs, sampling_params, streaming, self.kwargs.get("stream_interval", 1))

    def shutdown(self):
        self.is_shut_down = True

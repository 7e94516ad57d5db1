"""vllm.LLM, as far as it is called."""

from vllm.engine.arg_utils import EngineArgs
from vllm.sampling_params import RequestOutputKind
from vllm.v1.engine.llm_engine import LLMEngine


class LLM:
    def __init__(self, model, *, skip_tokenizer_init=False, **kwargs):
        asked = EngineArgs(model=model, skip_tokenizer_init=skip_tokenizer_init, **kwargs)
        self.llm_engine = LLMEngine.from_engine_args(engine_args=asked)

    def generate(self, prompts, sampling_params=None, *, use_tqdm=True):
        sampling_params.output_kind = RequestOutputKind.FINAL_ONLY
        for number, prompt in enumerate(prompts):
            self.llm_engine.add_request(str(number), {"type": "token", **prompt}, sampling_params)
        outputs = []
        while self.llm_engine.has_unfinished_requests():
            outputs += [output for output in self.llm_engine.step() if output.finished]
        return sorted(outputs, key=lambda output: int(output.request_id))

"""Stands in for vLLM 0.26: the calls that this project makes, with its signatures, and an engine that makes tokens up.

Its engine takes ``MLPERF_STANDIN_STEP_S`` seconds for a step, in which each running request gets one token.
"""

from vllm.entrypoint import LLM
from vllm.sampling_params import SamplingParams

__version__ = "0.26.0"
__all__ = ["LLM", "SamplingParams"]

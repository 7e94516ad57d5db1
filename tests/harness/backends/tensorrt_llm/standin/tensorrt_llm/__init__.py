"""Stands in for TensorRT-LLM 1.x: the documented calls that this project makes, and an engine that makes tokens up."""

from tensorrt_llm.llm import LLM, SamplingParams

__version__ = "1.2.1"
__all__ = ["LLM", "SamplingParams"]

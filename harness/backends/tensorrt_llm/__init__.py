"""TensorRT-LLM, in this process or one for each group of GPUs, through its LLM API."""

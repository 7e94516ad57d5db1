"""TensorRT Edge-LLM: language models on Jetson, DRIVE and other small NVIDIA machines."""

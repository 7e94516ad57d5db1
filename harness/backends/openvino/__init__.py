"""OpenVINO on a CPU: language models, batched continuously by OpenVINO GenAI."""

"""vLLM, in this process: its engine runs in a process of its own, which requests and answers go to and fro."""

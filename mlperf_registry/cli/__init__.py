"""The one entry point ``mlperf``: a lazy table of verbs, one module each, and what they share with a terminal."""

"""Language models: data sets of MLPerf's benchmarks, prompts and their tokens, and what answers are worth."""

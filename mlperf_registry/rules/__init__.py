"""The rules of MLPerf Inference as values: each round's data, the rules that read it, and the Plan that results."""

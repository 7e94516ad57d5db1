"""What differs from benchmark to benchmark: data and accuracy."""

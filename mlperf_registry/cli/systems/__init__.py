"""``mlperf systems``: one module for each of its parts, and what they share."""

"""What happens to a plan: engine cache, run folder, child processes, result. Reaches the harness by name only."""

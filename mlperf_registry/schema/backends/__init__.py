"""Options that engine libraries own, one module each."""

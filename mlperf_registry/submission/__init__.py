"""What MLCommons wants handed in, made of what is known: pure functions that touch neither hardware nor files."""

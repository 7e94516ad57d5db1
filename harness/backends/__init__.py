"""Engine libraries, one folder each: a builder and a runner."""

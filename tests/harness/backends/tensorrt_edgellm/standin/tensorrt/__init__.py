"""Stands in for the Python package of TensorRT, which is only looked for."""

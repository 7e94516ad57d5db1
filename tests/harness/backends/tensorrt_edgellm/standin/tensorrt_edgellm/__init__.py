"""Stands in for the package tensorrt-edgellm 0.11: the same names and signatures, no GPU."""

__version__ = "0.11.0"

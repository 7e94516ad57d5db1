"""What NVIDIA published: its names and ours, the importer that makes conf/tuned, and the check that nothing is lost.

Facts and tools about past rounds; no run needs them.
"""

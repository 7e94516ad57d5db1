"""From option files to one plain tree with provenance: a cell through Hydra, all cells through a fast resolver.

Knows nothing of rounds' rules: what depends on them is handed in.
"""

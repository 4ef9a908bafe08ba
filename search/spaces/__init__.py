"""The search spaces: each a package with the same file names (`space.py`, `network.py`)."""

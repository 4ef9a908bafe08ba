"""What an edge of the supernet chooses from."""

CANDIDATES = ("conv_3x3", "sep_3x3", "sep_5x5", "dil_3x3", "dil_5x5", "skip", "none")
"""The candidate operations (HiNAS v2, section 3.1), in the order of alpha's last axis."""

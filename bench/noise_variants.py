"""The variants of the standard protocol's noise. Standard library only: the command's help needs their names."""

from enum import StrEnum


class Noise(StrEnum):
    """What happens to the noisy image before a network sees it."""

    standard = "standard"
    """Nothing: neither clipped nor rounded, as in the published tables."""
    file = "file"
    """Clipped to 0..255 and rounded, as an 8-bit file holds it."""

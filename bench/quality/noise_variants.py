"""The noise protocols that images are scored under. Standard library only: the command's help needs their names."""

from enum import StrEnum


class Noise(StrEnum):
    """How the noisy image comes about that a method sees; docs/protocols.md compares them."""

    standard = "standard"
    """One field for the whole image, neither clipped nor rounded, as in most published tables."""
    file = "file"
    """The same, clipped to 0..255 and rounded, as an 8-bit file holds it."""
    hinas_patches = "hinas-patches"
    """Overlapping patches, each with noise of its own, averaged afterwards, as HiNAS's authors score."""

"""The noise protocols that images are scored under. Imports nothing: the command's help needs their names."""

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from ..results.entries import Protocol

Noise = Literal["standard", "file", "hinas-patches"]
"""How the noisy image comes about that a method sees; docs/protocols.md compares them.

standard: one field for the whole image, neither clipped nor rounded, as in most published tables. file: the same,
clipped to 0..255 and rounded, as an 8-bit file holds it. hinas-patches: overlapping patches, each with noise of its
own, averaged afterwards, as HiNAS's authors score.
"""

PROTOCOL_OF: "dict[Noise, Protocol]" = {
    "standard": "standard",
    "file": "standard, clipped 8-bit",
    "hinas-patches": "hinas-patches",
}
"""How results name the protocol."""

"""Whether a search has come to a decision. No torch."""

from collections.abc import Mapping, Sequence

_UNDECIDED_SHARE = 0.95
"""Of the largest entropy; above it what is read off hardly says more than a draw."""


def undecided_choices(entropies_bits: Mapping[str, float], largest_bits: Mapping[str, float]) -> Sequence[str]:
    """A text for each kind of choice whose entropy at the end is still close to the largest, in bits."""
    return [
        f"{name} is undecided, with an entropy of {bits:.2f} of at most {largest_bits[name]:.2f} bits, so the network "
        "found is little better than a random one"
        for name, bits in entropies_bits.items()
        if bits > _UNDECIDED_SHARE * largest_bits[name]
    ]

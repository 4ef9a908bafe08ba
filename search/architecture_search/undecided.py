"""Whether a search has come to a decision. No torch."""

from collections.abc import Mapping, Sequence

_UNDECIDED_SHARE = 0.95
"""Of the largest entropy, or of that at the start; above it what is read off hardly says more than a draw."""
_OPEN_SHARE = 0.5
"""Of the largest entropy: a choice that begins below it has begun with a decision, which may well be kept."""


def undecided_choices(
    entropies_bits: Mapping[str, float],
    largest_bits: Mapping[str, float],
    starting_bits: Mapping[str, float] | None = None,
) -> Sequence[str]:
    """A text for each kind of choice whose entropy at the end is still close to the largest, or to that it began with.

    In bits; `starting_bits` of the architecture before the first step, at the temperature of the end.
    """
    texts: list[str] = []
    for name, bits in entropies_bits.items():
        largest = largest_bits[name]
        start = largest if starting_bits is None else starting_bits[name]
        has_not_moved = start >= _OPEN_SHARE * largest and bits > _UNDECIDED_SHARE * start
        if bits > _UNDECIDED_SHARE * largest or has_not_moved:
            began = "" if start > _UNDECIDED_SHARE * largest else f" ({start:.2f} at the start)"
            texts.append(
                f"{name} is undecided, with an entropy of {bits:.2f} of at most {largest:.2f} bits{began}, so the "
                "network found is little better than a random one"
            )
    return texts

"""Which bundled model a picture is denoised with where a person names none."""

from collections.abc import Collection
from dataclasses import dataclass

AUTOMATIC = ("auto", "fast", "best")
"""What may be asked for instead of a model: the usual one, a faster one, or the best one for a picture."""


@dataclass(frozen=True, kw_only=True, slots=True)
class AutomaticModel:
    """A bundled model and why it was taken."""

    name: str
    reason: str
    """In a few words, for a person."""


def automatic_model(asked: str, bundled: Collection[str], *, is_colour: bool, is_white: bool) -> AutomaticModel:
    """The model for a picture, of the kind in `AUTOMATIC` that was asked for; the usual one where `bundled` lacks that.

    `is_white`: whether the picture's noise is white; else it is what development and compression leave of it.
    """
    reason = "the noise is white" if is_white else "the noise is that of a developed photograph"
    usual = ("color" if is_colour else "gray") if is_white else "photo"
    if asked == "auto":
        return AutomaticModel(name=usual, reason=reason)
    special = f"{usual}-{asked}"
    if special in bundled:
        return AutomaticModel(name=special, reason=reason)
    return AutomaticModel(name=usual, reason=f"{reason}; there is no {special}")

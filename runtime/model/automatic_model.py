"""Which bundled model a picture is denoised with where a person names none."""

from dataclasses import dataclass

AUTOMATIC = "auto"


@dataclass(frozen=True, kw_only=True, slots=True)
class AutomaticModel:
    """A bundled model and why it was taken."""

    name: str
    reason: str
    """In a few words, for a person."""


def automatic_model(*, is_colour: bool, is_white: bool) -> AutomaticModel:
    """`is_white`: whether the picture's noise is white; else it is what development and compression leave of it."""
    reason = "the noise is white" if is_white else "the noise is that of a developed photograph"
    return AutomaticModel(name=("color" if is_colour else "gray") if is_white else "photo", reason=reason)

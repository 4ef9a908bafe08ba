"""The noise level that a picture is denoised at, given or measured, within a model's range."""

import math
from collections.abc import Callable
from dataclasses import dataclass

from ...errors import UserError
from ..model.manifest import ModelManifest


@dataclass(frozen=True, kw_only=True, slots=True)
class NoiseLevel:
    """The noise level a picture is denoised at."""

    sigma: float | None
    """Standard deviation in grey levels 0..255; None: the model needs none. 0, where the model does not enlarge: the
    picture is left as it is."""
    is_estimated: bool
    """Whether it was measured on the picture (else given by a person)."""
    estimate: float | None = None
    """The measurement itself, before the factor and the model's range; None where `sigma` was given."""
    factor: float = 1.0
    """What the measured or given level was multiplied by."""
    range_note: str | None = None
    """What to tell a person where the model's range cut the level off; None: it did not."""


def noise_level_for(
    manifest: ModelManifest, estimated: Callable[[], float], sigma: float | None, factor: float = 1.0
) -> NoiseLevel:
    """`sigma` in grey levels, or where it is None what `estimated` measures, for a model; times `factor`, above 0.

    What is measured or multiplied is moved into the model's range. Raises UserError for a given level outside it,
    and for a factor where the model takes no level.
    """
    if factor != 1 and not manifest.conditioned:
        raise UserError(
            f"sigma is to be multiplied by {factor:g}, but this model takes no noise level; leave sigma out"
        )
    if sigma is not None:
        _check_number(sigma)
        if not math.isfinite(sigma) or sigma < 0:
            raise UserError(f"sigma is {sigma:g}; allowed: a number of at least 0, in grey levels 0..255")
        if sigma == 0 and manifest.scale == 1:
            return NoiseLevel(sigma=0.0, is_estimated=False)
        if manifest.sigma_range is None:
            raise UserError(f"sigma is {sigma:g}, but this model takes no noise level; leave sigma out")
        low, high = manifest.sigma_range
        if not low <= sigma <= high:
            raise UserError(f"sigma is {sigma:g}; this model was trained for {range_text(low, high)} grey levels")
        return _moved_into(manifest.sigma_range, float(sigma), factor, is_estimated=False)
    if not manifest.conditioned:
        return NoiseLevel(sigma=None, is_estimated=False)
    assert manifest.sigma_range is not None
    estimate = estimated()
    # A picture without any noise stays as it is, whatever the model's lowest level; unless it is to be enlarged.
    if estimate == 0 and manifest.scale == 1:
        return NoiseLevel(sigma=0.0, is_estimated=True, estimate=estimate, factor=factor)
    return _moved_into(manifest.sigma_range, estimate, factor, is_estimated=True)


def _check_number(sigma: object) -> None:
    try:
        math.isfinite(sigma)  # pyright: ignore[reportArgumentType]
    except TypeError as error:
        raise UserError(
            f"sigma is {sigma!r}; expected a number in grey levels 0..255, or None, which measures it"
        ) from error


def _moved_into(sigma_range: tuple[float, float], level: float, factor: float, *, is_estimated: bool) -> NoiseLevel:
    low, high = sigma_range
    wanted = level * factor
    sigma = min(max(wanted, low), high)
    source = f"the noise is estimated at {level:.1f}" if is_estimated else f"sigma is {level:g}"
    times = "" if factor == 1 else f", times {factor:g} is {wanted:.1f}"
    note = f"{source} grey levels{times}, but the model was trained for {range_text(low, high)}; using {sigma:g}"
    return NoiseLevel(
        sigma=sigma,
        is_estimated=is_estimated,
        estimate=level if is_estimated else None,
        factor=factor,
        range_note=None if sigma == wanted else note,
    )


def range_text(low: float, high: float) -> str:
    """A range of noise levels in words."""
    return f"{low:g} alone" if low == high else f"{low:g} to {high:g}"

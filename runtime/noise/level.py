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
    """The measurement before it was moved into the model's range; None where `sigma` was given."""


def noise_level_for(manifest: ModelManifest, estimated: Callable[[], float], sigma: float | None) -> NoiseLevel:
    """`sigma` in grey levels, or where it is None what `estimated` measures, for a model.

    Raises UserError for levels outside the model's range.
    """
    if sigma is not None:
        if not math.isfinite(sigma) or sigma < 0:
            raise UserError(f"sigma is {sigma:g}; allowed: a number of at least 0, in grey levels 0..255")
        if sigma == 0 and manifest.scale == 1:
            return NoiseLevel(sigma=0.0, is_estimated=False)
        if manifest.sigma_range is None:
            raise UserError(f"sigma is {sigma:g}, but this model takes no noise level; leave sigma out")
        low, high = manifest.sigma_range
        if not low <= sigma <= high:
            raise UserError(f"sigma is {sigma:g}; this model was trained for {range_text(low, high)} grey levels")
        return NoiseLevel(sigma=float(sigma), is_estimated=False)
    if not manifest.conditioned:
        return NoiseLevel(sigma=None, is_estimated=False)
    assert manifest.sigma_range is not None
    estimate = estimated()
    low, high = manifest.sigma_range
    # A picture without any noise stays as it is, whatever the model's lowest level; unless it is to be enlarged.
    stays = estimate == 0 and manifest.scale == 1
    return NoiseLevel(sigma=0.0 if stays else min(max(estimate, low), high), is_estimated=True, estimate=estimate)


def range_text(low: float, high: float) -> str:
    """A range of noise levels in words."""
    return f"{low:g} alone" if low == high else f"{low:g} to {high:g}"

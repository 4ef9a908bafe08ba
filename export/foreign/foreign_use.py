"""What the file of a network from elsewhere cannot say: how its noise level, its values and its output are meant."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from ...errors import UserError

Values = Literal["0..1", "0..255", "-1..1"]
Predicts = Literal["image", "noise"]

VALUES: tuple[Values, ...] = get_args(Values)
_AFFINE: Mapping[Values, tuple[float, float]] = {"0..1": (1.0, 0.0), "0..255": (255.0, 0.0), "-1..1": (2.0, -1.0)}
BLIND = "none"


@dataclass(frozen=True, kw_only=True)
class ForeignUse:
    """How a network is to be fed and read."""

    condition: str | None = None
    """What its noise input is given, such as sigma/255; `none`: it has no such input; None: nobody said."""
    level_range: tuple[float, float] | None = None
    """The noise levels it was trained for, in grey levels 0..255; None: not known."""
    values: Values = "0..1"
    """Black and white, as it takes and gives them."""
    predicts: Predicts = "image"
    """What its output is: the clean image, or the noise that is to be taken off."""

    @property
    def affine(self) -> tuple[float, float]:
        """(factor, shift) from values 0..1 to the network's own."""
        return _AFFINE[self.values]

    @property
    def level_factor(self) -> float | None:
        """What sigma in grey levels is multiplied by for the noise input; None: there is none, or nobody said."""
        return None if self.condition in (None, BLIND) else level_factor(self.condition)


def level_factor(condition: str) -> float:
    """`sigma` -> 1, `sigma/255` -> 1/255; UserError for anything else."""
    found = re.fullmatch(r"sigma(?:/(\d+(?:\.\d+)?))?", condition.replace(" ", ""))
    divisor = float(found[1] or 1) if found else 0.0
    if not divisor:
        raise UserError(
            f"--condition: got {condition!r}, expected sigma (grey levels 0..255), sigma/255 (another number, as the "
            f"network was trained), or {BLIND} for a network that is told no level"
        )
    return 1 / divisor


def range_from_text(text: str) -> tuple[float, float]:
    """`0:75` -> (0, 75); UserError for anything but two grey levels in order."""
    try:
        low, high = (float(end) for end in text.split(":"))
    except ValueError:
        low, high = 1.0, 0.0
    if not 0 <= low <= high <= 255:
        raise UserError(f"--range: got {text!r}, expected LOW:HIGH in grey levels 0..255, such as 0:75 or 25:25")
    return low, high

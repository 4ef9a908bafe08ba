"""How much of a network's change a picture gets: how strongly, and how much of it in its colours."""

from dataclasses import dataclass

from ..errors import UserError
from .model.manifest import ModelManifest

MOST_TIMES_LEVEL = 4.0
"""The most that a noise level may be multiplied by."""
_MOST_CHROMA = 2.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Amount:
    """How much of a network's change a picture gets. Raises UserError for numbers that are not allowed."""

    strength: float = 1.0
    """0..4. Up to 1: the share of the change that is taken. Above 1: how many times the noise level the network is
    told; the change is then taken whole."""
    chroma: float = 1.0
    """0..2: what the colour part of the change, all but its luma, is multiplied by. 1: nothing is done. Grey pictures
    have no colour part: it does nothing there."""

    def __post_init__(self) -> None:
        for name, value, most in (
            ("strength", self.strength, MOST_TIMES_LEVEL),
            ("chroma", self.chroma, _MOST_CHROMA),
        ):
            try:
                is_allowed = 0 <= value <= most
            except TypeError:
                is_allowed = False
            if not is_allowed:
                raise UserError(f"{name} is {_text(value)}; allowed: a number from 0 to {most:g}")

    @property
    def share(self) -> float:
        """0..1: how much of the change is taken."""
        return min(self.strength, 1.0)

    @property
    def level_factor(self) -> float:
        """1..4: how many times the noise level the network is told."""
        return max(self.strength, 1.0)

    def check_for(self, manifest: ModelManifest) -> None:
        """Raise UserError where a model cannot give this amount."""
        if manifest.scale > 1:
            for name, value, is_mixed in (
                ("strength", self.strength, self.share < 1),
                ("chroma", self.chroma, self.chroma != 1),
            ):
                if is_mixed:
                    raise UserError(
                        f"{name} is {value:g}, but this model enlarges pictures {manifest.scale} times: there is no "
                        f"picture of the new size to mix its answer with; leave {name} out"
                    )
        if manifest.is_raw and self.chroma != 1:
            raise UserError(f"chroma is {self.chroma:g}, but raw data have no chroma; leave chroma out")
        if self.level_factor > 1 and not manifest.conditioned:
            raise UserError(
                f"strength is {self.strength:g}, but this model takes no noise level that could be raised; "
                "use a strength of at most 1, or a model that takes a level"
            )


def _text(value: object) -> str:
    return f"{value:g}" if isinstance(value, int | float) else repr(value)


WHOLE_CHANGE = Amount()
"""The network's answer as it is."""

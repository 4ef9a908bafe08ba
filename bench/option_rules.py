"""Which options of hinas-bench go together: one that would have no effect is a mistake."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from ..errors import UserError

_ALWAYS = frozenset({"as_json", "quiet"})


@dataclass(frozen=True)
class Mode:
    """Something the command does instead of measuring models."""

    what: str
    """What it does, for a message."""
    takes: frozenset[str]
    """The parameters that mean something to it."""


MODES: Mapping[str, Mode] = {
    "published": Mode("measures nothing", frozenset()),
    "compare": Mode("reads two results files and measures nothing", frozenset()),
    "join": Mode("joins results files and measures nothing", frozenset({"out"})),
    "operations": Mode(
        "measures latencies of its own networks", frozenset({"size", "seed", "threads", "rounds", "out", "check"})
    ),
    "pairs": Mode(
        "scores pairs of pictures, at no noise but their own, and measures no latencies",
        frozenset({"model", "sigma", "oracle", "limit", "threads", "out"}),
    ),
}
"""By the parameter that asks for it."""

_QUALITY = "quality is measured on images; give them with --data IMAGES"
_QUALITY_OR_PAIRS = f"{_QUALITY} (or pairs with --pairs FOLDER)"
NEEDS: Mapping[str, tuple[tuple[str, ...], str]] = {
    **{name: (("data",), _QUALITY) for name in ("noise", "command", "command_gray")},
    **{name: (("data",), _QUALITY_OR_PAIRS) for name in ("sigma", "limit")},
    "figure": (("data",), "shows quality too, which is measured on images; give them with --data IMAGES"),
    "quality": (("figure",), "says what a figure shows; give --figure 14a too"),
    "oracle": (("pairs",), "looks for the best levels on pairs of pictures; give them with --pairs FOLDER"),
    "peer_weights": (("peers",), "of peers that are not measured; name them with --peers"),
    "check": (("operations",), "checks a latency table; give --operations SPACE too"),
    "seed": (("operations",), "of random networks; give --operations SPACE too"),
}
"""Parameters that need one of others, and what to say without."""


def require_used(given: Collection[str]) -> None:
    """Raise UserError where a parameter among those given (by their Python names) would have no effect."""
    for asking, mode in MODES.items():
        if asking not in given:
            continue
        for name in given:
            if name not in mode.takes | _ALWAYS | {asking}:
                raise UserError(f"{_dashed(name)}: {_dashed(asking)} {mode.what}; leave one of the two out")
        return
    for name, (needed, problem) in NEEDS.items():
        if name in given and not set(needed) & set(given):
            raise UserError(f"{_dashed(name)}: {problem}")


def _dashed(name: str) -> str:
    return "--json" if name == "as_json" else "--" + name.replace("_", "-")

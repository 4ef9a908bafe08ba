"""What colours mean, by the numbers of ITU-T H.273 that PNG (cICP), HEIC and AVIF (nclx) hold in place of a profile."""

from dataclasses import dataclass

_PLAIN_PRIMARIES = frozenset({1, 2})
"""Those of sRGB, and unspecified."""
_PLAIN_TRANSFERS = frozenset({1, 2, 6, 13, 14, 15})
"""BT.709 and its equals, unspecified, and sRGB."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ColourCodes:
    """Colours that are not those of sRGB: HDR, or a wide gamut."""

    primaries: int
    """9: BT.2020; 12: Display P3."""
    transfer: int
    """16: PQ; 18: HLG."""


def codes_from(primaries: int, transfer: int) -> ColourCodes | None:
    """None: as good as sRGB, which is what pictures without any description are."""
    if primaries in _PLAIN_PRIMARIES and transfer in _PLAIN_TRANSFERS:
        return None
    return ColourCodes(primaries=primaries, transfer=transfer)

"""A model's certificate: what its precision cost on real images, kept in the model file itself."""

import json
from dataclasses import asdict, dataclass
from typing import Self

from .quality_loss import SigmaLoss, WorstImage


@dataclass(frozen=True, kw_only=True)
class Certificate:
    """What the accuracy gate measured. No date: the same export gives the same bytes."""

    images: tuple[str, ...]
    """File names, in the order of the noise that each was given."""
    losses: tuple[SigmaLoss, ...]
    """Against the plain fp32 model, for each noise level."""
    worst: WorstImage
    max_drop_db: float
    """What was allowed to be lost at each noise level."""
    kept_fp32: tuple[str, ...]
    """The nodes that had to stay in fp32, the one that cost most first."""
    engine: str
    """What ran the model: library, version, precision."""

    def to_json(self) -> str:
        """The text in the model file."""
        return json.dumps(asdict(self), separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read what `to_json` wrote."""
        given = json.loads(text)
        return cls(
            images=tuple(given["images"]),
            losses=tuple(SigmaLoss(**item) for item in given["losses"]),
            worst=WorstImage(**given["worst"]),
            max_drop_db=given["max_drop_db"],
            kept_fp32=tuple(given["kept_fp32"]),
            engine=given["engine"],
        )

    def to_rows(self) -> dict[str, str]:
        """Lines to read, by their headings."""
        rows = {
            f"lost at sigma {item.sigma:g}": f"{item.psnr_lost_db:.4f} dB, SSIM {item.ssim_lost:.5f}, "
            f"of {len(self.images)} images (limit {self.max_drop_db:g} dB)"
            for item in self.losses
        }
        worst = f"{self.worst.psnr_lost_db:.4f} dB, {self.worst.image} at sigma {self.worst.sigma:g}"
        return rows | {
            "lost most": worst,
            "checked in": self.engine,
        }

"""The options of hinas-export that concern networks from elsewhere, and what they say together."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from typer import Option

from .foreign_use import ForeignUse, Predicts, Values, level_factor, range_from_text

IMPORT_OPTIONS = ("condition", "range", "values", "predicts")
"""Those that concern --import alone."""


@dataclass(frozen=True, kw_only=True)
class ImportOptions:
    """What a person says of a network from elsewhere; None: not given."""

    imported: Annotated[
        Path | None,
        Option(
            "--import",
            help="Instead of a genotype: a denoiser from elsewhere, an ONNX file, to be made a hinas model.",
            show_default=False,
        ),
    ] = None
    condition: Annotated[
        str | None,
        Option(
            help="--import: what its noise input is given: sigma (grey levels), sigma/255 or another number, none.",
            show_default=False,
        ),
    ] = None
    range: Annotated[
        str | None,
        Option(help="--import: the noise levels it was trained for, in grey levels, such as 0:75.", show_default=False),
    ] = None
    values: Annotated[
        Values | None, Option(help="--import: black..white as it takes and gives them. Default: 0..1.")
    ] = None
    predicts: Annotated[
        Predicts | None, Option(help="--import: whether its output is the image or the noise. Default: image.")
    ] = None

    @property
    def use(self) -> ForeignUse:
        """How the network is to be fed. UserError for a condition or a range that is none."""
        use = ForeignUse(
            condition=self.condition,
            level_range=None if self.range is None else range_from_text(self.range),
            values=self.values or "0..1",
            predicts=self.predicts or "image",
        )
        if use.condition not in (None, "none"):
            level_factor(use.condition)
        return use

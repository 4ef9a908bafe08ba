"""The papers' pictures of quality against time, as what hinas can draw again: which task, which images, which table."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ...errors import UserError
from .published_figures import PublishedRow


@dataclass(frozen=True, kw_only=True)
class PaperFigure:
    """One panel of a paper."""

    name: str
    """As --figure takes it."""
    paper: str
    table: int
    """Where the paper prints the figures that it draws."""
    task: str
    """As results name it: denoise, super-resolution x3."""
    channels: int
    """Of the images that a model for it takes."""
    sigma: float | None
    """The noise level drawn unless another is asked for, in grey levels; None: the task has none."""
    dataset: str
    num_images: int
    """In the data set that the paper measured on."""
    sides: frozenset[int]
    """Pixels: the two sides that all its images have."""

    @property
    def scale(self) -> int:
        """How many times a model for it enlarges."""
        _, separator, factor = self.task.rpartition(" x")
        return int(factor) if separator else 1

    def level(self, asked: Sequence[float] | None) -> float | None:
        """The noise level to draw. UserError where several are asked for, or the task has none."""
        if asked is None:
            return self.sigma
        if self.sigma is None:
            raise UserError(f"--sigma: figure {self.name} is of {self.task}, which has no noise level; leave it out")
        if len(asked) > 1:
            raise UserError(f"--figure {self.name}: has one panel, of one noise level; give one --sigma, such as 50")
        return asked[0]

    def rows(self, rows: tuple[PublishedRow, ...], sigma: float | None) -> tuple[PublishedRow, ...]:
        """What the paper prints for it, where a time is printed too."""
        return tuple(
            row
            for row in rows
            if (row.paper, row.table, row.task, row.sigma) == (self.paper, self.table, self.task, sigma)
            and row.time_s is not None
        )


_SIDES = frozenset({321, 481})
FIGURES: Mapping[str, PaperFigure] = {
    figure.name: figure
    for figure in (
        PaperFigure(
            name="14a",
            paper="HiNAS v2",
            table=10,
            task="denoise",
            channels=1,
            # The one level at which Table 10 has a figure of every method.
            sigma=50.0,
            dataset="BSD200",
            num_images=200,
            sides=_SIDES,
        ),
        PaperFigure(
            name="14b",
            paper="HiNAS v2",
            table=11,
            task="super-resolution x3",
            channels=3,
            sigma=None,
            dataset="BSD100",
            num_images=100,
            sides=_SIDES,
        ),
    )
}


def figure_named(name: str) -> PaperFigure:
    """A figure by its name, as `14a`; UserError where there is none."""
    short = name.strip().casefold().removeprefix("figure").strip()
    if short not in FIGURES:
        raise UserError(f"--figure: got {name!r}, expected one of {', '.join(FIGURES)} (HiNAS v2, Figure 14)")
    return FIGURES[short]

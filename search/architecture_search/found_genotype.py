"""A found network as a genotype that says where it came from."""

from datetime import UTC, datetime

from ..genotype import Genotype, Provenance, Score
from ..spaces.interface import SpaceDescription
from .search_request import SearchRequest


def found_genotype(
    request: SearchRequest, description: SpaceDescription, score: Score | None, *, images: int
) -> Genotype:
    """The network with the command, the seed and the number of images it was found with."""
    return Genotype(
        space=request.space.space,
        task=request.space.task,
        network=description,
        provenance=Provenance(
            created=datetime.now(UTC).date().isoformat(),
            command=request.command,
            seed=request.seed,
            images=images,
            score=score,
        ),
    )

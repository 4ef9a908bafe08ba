"""The genotype: an architecture as a validated value, without tensors.

A genotype file names a search space; the space's own description of the network is validated by
the space (`spaces.registry`). Importing this module does not import torch.
"""

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, SerializeAsAny, ValidationError, field_validator, model_validator

from ..atomic_files import written_whole
from ..errors import UserError
from ..network_input import NetworkInput
from .spaces.interface import Frozen, Geometry, SpaceDescription, TaskDescription
from .spaces.registry import check_enlarging, network_description, space_named

if TYPE_CHECKING:
    from torch import nn

FORMAT = "hinas-genotype"
VERSION = 1


class Score(Frozen):
    """The validation score the search stopped at."""

    psnr_db: float
    ssim: float


class Provenance(Frozen):
    """Where a genotype came from; it does not take part in the genotype's identity."""

    created: str
    command: str
    seed: int | None = None
    images: Annotated[int, Field(ge=0)] | None = None
    score: Score | None = None


class Genotype(Frozen):
    """An architecture: the task, the search space's name and the space's network description."""

    format: Literal["hinas-genotype"] = FORMAT
    version: Literal[1] = VERSION
    space: str
    task: TaskDescription
    network: SerializeAsAny[SpaceDescription]
    provenance: Provenance | None = None

    @field_validator("network", mode="plain")
    @classmethod
    def _network_is_described_by_its_space(cls, value: Any) -> SpaceDescription:
        if not isinstance(value, SpaceDescription):
            raise ValueError("expected a description made by the genotype's space")
        return value

    @model_validator(mode="after")
    def _the_space_enlarges_where_the_task_does(self) -> "Genotype":
        check_enlarging(self.space, self.task)
        return self

    @property
    def geometry(self) -> Geometry:
        """The exact halo and alignment of the network, computed from its description."""
        return space_named(self.space).geometry(self.network, self.task)

    @property
    def network_input(self) -> NetworkInput:
        """What the network is given."""
        return self.task.network_input(alignment=self.geometry.alignment, level_range=self.network.conditioning_range)

    def built(self) -> "nn.Module":
        """The compact network with fresh weights (imports torch)."""
        return space_named(self.space).network(self.network, self.task)

    @property
    def identity(self) -> str:
        """A short hash of the architecture alone: equal for equal networks, whatever their provenance."""
        return hashlib.sha256(_canonical(self.model_dump(mode="json", exclude={"provenance"}))).hexdigest()[:12]

    def to_json(self) -> str:
        """The file's text: the same genotype gives the same bytes."""
        return json.dumps(self.model_dump(mode="json", exclude_none=True), indent=1) + "\n"


def genotype_from_json(text: str, *, source: str = "genotype") -> Genotype:
    """Parse and validate a genotype.

    Raises UserError naming `source`, the JSON path, what stood there and what is allowed.
    """
    try:
        document = json.loads(text)
    except (json.JSONDecodeError, RecursionError) as error:
        raise UserError(f"{source}: not JSON ({error}); a genotype is written by hinas-search") from error
    if not isinstance(document, dict):
        raise UserError(f"{source}: $: got {type(document).__name__}, expected an object with format {FORMAT!r}")
    if document.get("format") != FORMAT:
        raise UserError(f"{source}: $.format: got {document.get('format')!r}, expected {FORMAT!r}")
    version = document.get("version")
    if isinstance(version, int) and version > VERSION:
        raise UserError(f"{source}: $.version: got {version}, this hinas reads up to {VERSION}; install a newer hinas")
    try:
        described = dict(document)
        described["network"] = network_description(document.get("space"), document.get("network"))
        return Genotype.model_validate(described)
    except ValidationError as error:
        raise UserError(f"{source}: {_first_mistake(error)}") from error
    except UserError as error:
        raise UserError(f"{source}: {error}") from error


def read_genotype(path: Path) -> Genotype:
    """Read a genotype file; UserError where it is missing, unreadable or invalid."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); give the path of a genotype.json") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not a text file; give the path of a genotype.json") from error
    return genotype_from_json(text, source=str(path))


def write_genotype(genotype: Genotype, path: Path) -> None:
    """Write a genotype file whole, or not at all."""
    with written_whole(path) as temporary:
        temporary.write_text(genotype.to_json(), encoding="utf-8")


def _canonical(value: dict[str, Any]) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def _first_mistake(error: ValidationError) -> str:
    mistakes = error.errors(include_url=False)
    first = mistakes[0]
    inside_network = error.title != Genotype.__name__
    where = "$.network" if inside_network else "$"
    for part in first["loc"]:
        where += f"[{part}]" if isinstance(part, int) else f".{part}"
    got = json.dumps(first["input"], default=str)
    got = got if len(got) <= 80 else got[:77] + "..."
    more = f" (and {len(mistakes) - 1} more)" if len(mistakes) > 1 else ""
    return f"{where}: {first['msg']}, got {got}{more}"

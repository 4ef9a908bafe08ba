"""How one picture of a run on many machines ended: a row of its table."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, Self


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """Columns are in this order; what is not known of a picture is None."""

    input: str
    output: str
    status: Literal["written", "skipped", "failed"]
    error: str | None = None
    """Why it failed."""
    width: int | None = None
    """Of the input."""
    height: int | None = None
    pictures: int | None = None
    """Frames of a film or an animation, pages of a TIFF; 1 of a picture."""
    sigma: float | None = None
    """Grey levels 0..255 that the model was told."""
    model: str | None = None
    backend: str | None = None
    seconds: float | None = None
    """From reading to writing, without what the network between the machines takes."""
    compute_seconds: float | None = None
    """That the model ran."""
    worker: str | None = None
    """Machine and process."""
    notes: str | None = None
    """For a person, joined by " | "."""

    def to_json(self) -> str:
        """One line."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """What `to_json` wrote."""
        return cls(**json.loads(text))


COLUMNS = tuple(field.name for field in fields(Row))


def written_row(input: str, output: str, values: Mapping[str, Any], *, compute_seconds: float, worker: str) -> Row:
    """`values`: what hinas-denoise tells a machine of a picture, a film or a series."""
    return Row(
        input=input,
        output=output,
        status="written",
        width=values.get("width"),
        height=values.get("height"),
        pictures=values.get("frames", values.get("pages", 1)),
        sigma=values.get("sigma"),
        model=values.get("model"),
        backend=values.get("backend"),
        seconds=values.get("seconds"),
        compute_seconds=round(compute_seconds, 3),
        worker=worker,
        notes=" | ".join(values["notes"]) or None,
    )

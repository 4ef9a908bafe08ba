"""Which options concern only a part of what hinas-export can write: given without that part, they are a mistake."""

from collections.abc import Collection, Mapping
from pathlib import Path

from ..errors import UserError
from ..runtime.model.manifest import Io
from .graph.fixed_shape import FixedShape
from .graph.model_interface import ModelInterface
from .tensorrt.build_request import BuildRequest
from .triton.model_repository import TritonRequest

USES: Mapping[str, tuple[str, ...]] = {
    "tile": ("engine", "fixed_shape"),
    "batch": ("engine", "fixed_shape", "triton"),
    "optimisation_level": ("engine",),
    "workspace": ("engine",),
    "version_compatible": ("engine",),
    "hardware_compatible": ("engine",),
    "max_drop": ("check",),
}
"""By the names of the parameters; each needs one of these."""


def require_used(given: Collection[str]) -> None:
    """Raise UserError where an option among those given would have no effect."""
    for option, parts in USES.items():
        if option in given and not set(parts) & set(given):
            raise UserError(
                f"{_dashed(option)}: concerns {' or '.join(map(_dashed, parts))} alone; add one, or leave it"
            )


def interface_of(io: str, fixed_shape: bool, request: BuildRequest) -> ModelInterface:
    """The interface behind the options; UserError where --tile and --batch do not name one shape."""
    by_name: dict[str, Io] = {"float": "float", "uint8": "uint8"}
    if io not in by_name:
        raise UserError(f"--io {io}: allowed: {', '.join(by_name)}")
    if not fixed_shape:
        return ModelInterface(io=by_name[io])
    if isinstance(request.tile, int):
        raise UserError("--fixed-shape: needs the width and height of its one window; give --tile WIDTHxHEIGHT")
    if len(set(request.batch)) > 1:
        raise UserError("--fixed-shape: needs one number of windows; give --batch N")
    height, width = request.tile
    return ModelInterface(io=by_name[io], shape=FixedShape(batch=request.batch[0], height=height, width=width))


def triton_request(repository: Path, model: Path, request: BuildRequest, *, has_engine: bool) -> TritonRequest:
    """Where to serve the model from; UserError where --batch says more than a model without engine can use."""
    if not has_engine and len(set(request.batch)) > 1:
        raise UserError("--batch: FEWEST:TYPICAL:MOST is for --engine; for --triton give the most in one run, a number")
    return TritonRequest(repository=repository, name=model.stem, largest_batch=request.batch[2])


def _dashed(name: str) -> str:
    return "--" + name.replace("_", "-")

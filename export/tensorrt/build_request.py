"""What a person asks of an engine, before anything is known of model, TensorRT or GPU."""

from dataclasses import dataclass

from ...errors import UserError
from ...runtime.denoise_request import bytes_of
from ...runtime.engines.engine_file import InputShapes
from ...runtime.model.manifest import ModelManifest, Precision
from ...runtime.tiling.window_limits import rounded_up


@dataclass(frozen=True, kw_only=True, slots=True)
class BuildRequest:
    """Raises UserError where a value is outside its range."""

    tile: int | tuple[int, int] = 512
    """Side in pixels of the tiles that pictures are cut into, or the one (height, width) of all windows."""
    batch: tuple[int, int, int] = (1, 1, 1)
    """Windows in one run: (fewest, typical, most)."""
    precision: Precision | None = None
    """None: that of the model file."""
    optimisation_level: int = 3
    """TensorRT's, 0..5: higher builds longer and searches more kernels; 3 is TensorRT's own default."""
    workspace_bytes: int | None = None
    """Most GPU memory for intermediate values of one layer; None: all of it."""
    version_compatible: bool = False
    """Whether later versions of TensorRT may load the engine, at some cost in speed."""
    hardware_compatible: bool = False
    """Whether other GPUs from Ampere on may run the engine, at some cost in speed."""

    def __post_init__(self) -> None:
        sides = (self.tile,) if isinstance(self.tile, int) else self.tile
        if min(sides) < 1:
            raise UserError(f"tile {sides}: allowed: at least 1 pixel")
        if not 1 <= self.batch[0] <= self.batch[1] <= self.batch[2]:
            raise UserError(f"batch {self.batch}: allowed: 1 <= fewest <= typical <= most")
        if not 0 <= self.optimisation_level <= 5:
            raise UserError(f"optimisation level {self.optimisation_level}: allowed: 0 to 5")


def request_from_texts(
    *,
    tile: str | None = None,
    batch: str | None = None,
    optimisation_level: int | None = None,
    workspace: str | None = None,
    version_compatible: bool = False,
    hardware_compatible: bool = False,
) -> BuildRequest:
    """The request behind the texts of the command's options, None: as `BuildRequest` has it.

    UserError names the option that cannot be read.
    """
    usual = BuildRequest()
    return BuildRequest(
        tile=usual.tile if tile is None else _tile(tile),
        batch=usual.batch if batch is None else _batch(batch),
        optimisation_level=usual.optimisation_level if optimisation_level is None else optimisation_level,
        workspace_bytes=None if workspace is None else bytes_of(workspace, option="--workspace"),
        version_compatible=version_compatible,
        hardware_compatible=hardware_compatible,
    )


def _tile(text: str) -> int | tuple[int, int]:
    match [int(side) for side in text.split("x") if side.isdecimal()], text.count("x"):
        case [side], 0:
            return side
        case [width, height], 1:
            return height, width
    raise UserError(f"--tile {text}: allowed: pixels such as 512, or WIDTHxHEIGHT for windows of one size")


def _batch(text: str) -> tuple[int, int, int]:
    match [int(number) for number in text.split(":") if number.isdecimal()], text.count(":"):
        case [number], 0:
            return number, number, number
        case [fewest, typical, most], 2:
            return fewest, typical, most
    raise UserError(f"--batch {text}: allowed: a number of windows, or FEWEST:TYPICAL:MOST such as 1:4:8")


def input_shapes(manifest: ModelManifest, request: BuildRequest) -> tuple[InputShapes, ...]:
    """The optimisation profile: one entry for each input of the model, sizes multiples of its alignment.

    For tiles: every window that `runtime.tiling.plan_tiles` may cut, from a picture of one pixel up to a tile with
    its halo on both sides, which is what most windows are.
    """
    unit = manifest.alignment
    if isinstance(request.tile, int):
        side = rounded_up(request.tile, unit) + 2 * rounded_up(manifest.halo, unit)
        sizes = (unit, unit), (side, side), (side, side)
    else:
        height, width = (rounded_up(length, unit) for length in request.tile)
        sizes = ((height, width),) * 3
    windows = [
        (batch, *size, manifest.channels) if manifest.io == "uint8" else (batch, manifest.channels, *size)
        for batch, size in zip(request.batch, sizes, strict=True)
    ]
    inputs = [InputShapes(name="noisy", smallest=windows[0], typical=windows[1], largest=windows[2])]
    if manifest.conditioned:
        fewest, typical, most = ((batch,) for batch in request.batch)
        inputs.append(InputShapes(name="sigma", smallest=fewest, typical=typical, largest=most))
    return tuple(inputs)

"""From what is asked and what the model needs to the shapes of an engine's inputs."""

from ...runtime.engines.engine_key import InputShapes
from ...runtime.manifest import ModelManifest
from ...runtime.tiling import rounded_up
from .build_request import BuildRequest


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

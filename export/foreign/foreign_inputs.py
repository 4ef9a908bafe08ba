"""Which of a network's inputs is the image, and in which form it is told the noise level."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import onnx
from onnx import TensorProto

from ...errors import UserError
from ..graph.graph_inputs import Shape, fed, shape_of

Form = Literal["list", "column", "scalar", "map", "channel"]
"""(N,), (N, 1), (N, 1, 1, 1), (N, 1, H, W) perhaps at a lower resolution, or the image's last channel."""
_EXPECTED = "expected float32, one image (N, 1 or 3, H, W), if need be one noise level, and one output"


@dataclass(frozen=True, kw_only=True)
class ForeignInputs:
    """What a network takes."""

    image: str
    """The input's name."""
    channels: int
    """Of the image: 1 or 3; a channel of noise is not among them."""
    level: str | None
    """The name of the noise input; None: there is none, or it is a channel of the image."""
    form: Form | None
    """How the noise level is given; None: the network is blind."""
    fixed_size: tuple[int, int] | None
    """(height, width) that the file was exported for; None: any."""


def recognised(model: onnx.ModelProto) -> ForeignInputs:
    """The inputs of a denoiser. UserError that lists inputs and outputs where they are none."""
    inputs, outputs = fed(model.graph), model.graph.output
    types = {item.name: item.type.tensor_type.elem_type for item in (*inputs, *outputs)}
    for name, kind in types.items():
        if kind != TensorProto.FLOAT:
            word = TensorProto.DataType.Name(kind).lower()
            raise UserError(f"{name} is {word}, not float32; export the network without conversions at its ends")
    images = [item for item in inputs if _is_image(shape_of(item))]
    # A grey image and a map look alike: the image comes first.
    pictured = sorted(images, key=lambda item: shape_of(item)[1] == 1)[:1] if len(images) == 2 else images
    levels = [item for item in inputs if item not in pictured]
    if len(outputs) != 1 or len(pictured) != 1 or len(levels) > 1:
        raise UserError(_no_denoiser(inputs, outputs))
    [image] = pictured
    _, channels, *sides = shape_of(image)
    assert channels is not None
    form = _form_of(shape_of(levels[0])) if levels else ("channel" if channels in (2, 4) else None)
    if levels and (form is None or channels in (2, 4)):
        raise UserError(_no_denoiser(inputs, outputs))
    height, width = sides
    return ForeignInputs(
        image=image.name,
        channels=channels - 1 if form == "channel" else channels,
        level=levels[0].name if levels else None,
        form=form,
        fixed_size=(height or 0, width or 0) if height or width else None,
    )


def _is_image(shape: Shape) -> bool:
    return len(shape) == 4 and shape[1] in (1, 2, 3, 4) and shape[2:] != (1, 1)


def _form_of(shape: Shape) -> Form | None:
    match shape:
        case (_, 1, 1, 1):
            return "scalar"
        case (_, 1, _, _):
            return "map"
        case (_,):
            return "list"
        case (_, 1):
            return "column"
        case _:
            return None


def _no_denoiser(inputs: Sequence[onnx.ValueInfoProto], outputs: Sequence[onnx.ValueInfoProto]) -> str:
    return f"no denoiser that hinas can feed: inputs {_described(inputs)}; outputs {_described(outputs)}; {_EXPECTED}"


def _described(items: Sequence[onnx.ValueInfoProto]) -> str:
    def one(item: onnx.ValueInfoProto) -> str:
        kind = TensorProto.DataType.Name(item.type.tensor_type.elem_type).lower()
        return f"{item.name} {kind} ({', '.join('?' if n is None else str(n) for n in shape_of(item))})"

    return ", ".join(map(one, items)) or "none"

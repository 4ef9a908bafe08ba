"""What the inputs and the output of a model mean, in the model's own doc strings, for whoever opens it elsewhere."""

from collections.abc import Mapping

import onnx

from ...network_input import NetworkInput
from ...runtime.model.manifest import Io
from .variants import ModelInterface

SIGMA = (
    "The strength of the noise, one number for each picture: its standard deviation in grey levels 0..255. "
    "This is not the unit of a `noisy` in 0..1: noise of 0.1 there is a sigma of 25.5."
)

_PIXELS: Mapping[Io, str] = {
    "float": "(N, C, H, W), values 0 (black) to 1 (white)",
    "uint8": "(N, H, W, C), pixels 0..255",
}
_CLIPPED: Mapping[Io, str] = {"float": ", not clipped", "uint8": ""}


def with_doc_strings(model: onnx.ModelProto, interface: ModelInterface, given: NetworkInput) -> onnx.ModelProto:
    """A copy of a model whose inputs and output say their axes, their unit and their range."""
    result = onnx.ModelProto()
    result.CopyFrom(model)
    texts = {"noisy": _noisy(interface, given), "sigma": SIGMA, "denoised": _denoised(interface, given)}
    for item in (*result.graph.input, *result.graph.output):
        item.doc_string = texts[item.name]
    return result


def _noisy(interface: ModelInterface, given: NetworkInput) -> str:
    colours = {1: "grey", 3: "RGB"}.get(given.channels, f"{given.channels} channels")
    sizes = interface.sizes_text(given.alignment)
    return f"The noisy picture: {_PIXELS[interface.io]}, {colours}. Sizes: {sizes}."


def _denoised(interface: ModelInterface, given: NetworkInput) -> str:
    larger = "" if given.scale == 1 else f", H and W {given.scale} times as large"
    return f"The denoised picture, in the layout and unit of `noisy`{larger}{_CLIPPED[interface.io]}."

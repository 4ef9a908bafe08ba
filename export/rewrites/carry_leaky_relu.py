"""Let an identity depthwise convolution carry a LeakyRelu that follows no convolution it could be fused with.

ONNX Runtime computes a Relu of its own in its blocked layout, but a LeakyRelu only where it fuses it into the
convolution before it; any other costs a reordering to NCHW and one back. A 1x1 depthwise convolution with weights of
one is a copy in the blocked layout, and takes the activation in.
"""

import numpy as np
import onnx_ir as ir

from .convolutions import BLOCK, channels_of, convolution, given, insert_convolution


def carry_leaky_relus(model: ir.Model) -> int:
    """Put an identity convolution before each LeakyRelu of whole blocks that reads a sum or a map others read too."""
    places = 0
    for node in list(model.graph):
        if node.op_type != "LeakyRelu":
            continue
        source = given(node, 0)
        channels = channels_of(source)
        fused = convolution(source.producer()) is not None and len(source.uses()) == 1
        if channels is None or channels % BLOCK or fused:
            continue
        ones = np.ones((channels, 1, 1, 1))
        node.replace_input_with(0, insert_convolution(node, source, ones, None, group=channels))
        places += 1
    return places

"""Keep feature maps in the blocked layout that ONNX Runtime computes in on processors.

Its layout NCHWc holds channels in blocks of 16 (8 with AVX2). What it cannot compute there costs a reordering to NCHW
before it and one back after it.

`pad_channels`: a dense convolution of a width that 4 does not divide, a depthwise convolution or a concatenation of a
width that 16 does not divide falls back to NCHW, so maps are widened with channels of zeros to whole blocks. The new
channels are zero everywhere: their weights and biases are zero, an activation of zero is zero, and no weight reads
them.

`carry_leaky_relus`: a Relu of its own is computed in blocks, but a LeakyRelu only where it is fused into the
convolution before it. A 1x1 depthwise convolution with weights of one is a copy in the blocked layout, and takes the
activation in.
"""

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from ..graph.convolutions import (
    BLOCK,
    POINTWISE_ACTIVATIONS,
    Convolution,
    all_known,
    channels_of,
    convolution,
    given,
    insert_convolution,
    readers,
    set_weights,
)

MOST_ADDED = 2 / 3
"""Of a map's own channels: 20 as 32 won 1.2, but 18 as 32 lost 0.9, the added work outweighing the reorderings."""


@dataclass(frozen=True)
class _Layout:
    """Where a map's own channels stand among the zeros."""

    places: tuple[int, ...]
    width: int


def pad_channels(model: ir.Model) -> int:
    """Pad the maps between convolutions that need not grow too much; places are the convolutions whose weights grew."""
    layouts = _layouts(model.graph)
    places = 0
    for node in list(model.graph):
        found = convolution(node)
        if found is not None:
            places += _pad(found, layouts.get(found.source), layouts.get(found.output))
    return places


def _layouts(graph: ir.Graph) -> dict[ir.Value, _Layout]:
    """The layout of every map that can be padded."""
    layouts: dict[ir.Value, _Layout] = {}
    for node in graph:
        layout = _layout_behind(node, layouts)
        if layout is not None:
            layouts[node.outputs[0]] = layout
    # What cannot be padded itself must not read, or be read by, what is.
    while refused := [value for value in layouts if not _fits(value, layouts)]:
        for value in refused:
            del layouts[value]
    return layouts


def _layout_behind(node: ir.Node, layouts: dict[ir.Value, _Layout]) -> _Layout | None:
    found = convolution(node)
    if found is not None and found.group == 1:
        width = len(found.weights)
        whole = -(-width // BLOCK) * BLOCK
        return _Layout(tuple(range(width)), whole if whole <= (1 + MOST_ADDED) * width else width)
    read = all_known(map(layouts.get, _maps_read(node)))
    if not read:
        return None
    if node.op_type == "Concat" and node.attributes["axis"].as_int() == 1:
        starts = [sum(layout.width for layout in read[:index]) for index in range(len(read) + 1)]
        places = (start + place for start, layout in zip(starts, read, strict=False) for place in layout.places)
        return _Layout(tuple(places), starts[-1])
    keeps_channels = node.op_type in (*POINTWISE_ACTIVATIONS, "Add", "Resize") or (found and found.is_depthwise)
    return read[0] if keeps_channels and len(set(read)) == 1 else None


def _fits(value: ir.Value, layouts: dict[ir.Value, _Layout]) -> bool:
    node = value.producer()
    assert node is not None
    return (
        not value.is_graph_output()
        and (_is_dense(node) or all(source in layouts for source in _maps_read(node)))
        and all(_is_dense(reader) or reader.outputs[0] in layouts for reader in readers(value))
    )


def _is_dense(node: ir.Node) -> bool:
    """Whether a node reads all channels of one map and gives those of another."""
    found = convolution(node)
    return found is not None and found.group == 1


def _maps_read(node: ir.Node) -> list[ir.Value]:
    return [value for value in node.inputs if value is not None and value.const_value is None]


def _pad(found: Convolution, source: _Layout | None, output: _Layout | None) -> bool:
    """Widen a convolution's weights to the layouts of its maps (None: as they are); returns whether they grew."""
    outputs, inputs, *kernel = found.weights.shape
    out = output or _Layout(tuple(range(outputs)), outputs)
    read = source if source and found.group == 1 else _Layout(tuple(range(inputs)), inputs)
    weights = np.zeros((out.width, read.width, *kernel))
    weights[np.ix_(out.places, read.places)] = found.weights
    if weights.shape == found.weights.shape:
        return False
    bias = np.zeros(out.width)
    bias[list(out.places)] = found.bias
    set_weights(found, weights, bias)
    if found.is_depthwise:
        found.node.attributes["group"] = ir.AttrInt64("group", out.width)
    return True


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

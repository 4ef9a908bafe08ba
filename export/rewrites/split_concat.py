"""Split a 1x1 convolution that reads concatenated maps into a sum of 1x1 convolutions of the parts.

The concatenated map is then never written. Activations and depthwise convolutions between the two act on every
channel alone, so the concatenation first moves behind them.
"""

from collections.abc import Sequence

import onnx_ir as ir

from ..graph.convolutions import (
    POINTWISE_ACTIVATIONS,
    all_known,
    channels_of,
    convolution,
    given,
    insert,
    insert_convolution,
    readers,
    replace,
)


def split_concatenations(model: ir.Model) -> int:
    """Split where all readers are 1x1 convolutions, or lead to them through activations and depthwise convolutions."""
    places = 0
    waiting = [node for node in model.graph if node.op_type == "Concat"]
    while waiting:
        concat = waiting.pop()
        parts = [given(concat, index) for index in range(len(concat.inputs))]
        widths = all_known(channels_of(part) for part in parts)
        ends = _ends(concat)
        if widths is None or ends is None:
            continue
        for reader in readers(concat.outputs[0]):
            if reader in ends:
                _split(reader, parts, widths)
                places += 1
            else:
                waiting.append(_moved_behind(reader, parts, widths))
        model.graph.remove(concat, safe=True)
    return places


def _ends(node: ir.Node) -> set[ir.Node] | None:
    """The 1x1 convolutions that a node leads to, through what acts on channels alone; None where others read it."""
    if node.outputs[0].is_graph_output():
        return None
    ends: set[ir.Node] = set()
    for reader in readers(node.outputs[0]):
        found = convolution(reader)
        if found is not None and found.is_pointwise:
            ends.add(reader)
        elif reader.op_type in POINTWISE_ACTIVATIONS or (found is not None and found.is_depthwise):
            behind = _ends(reader)
            if behind is None:
                return None
            ends |= behind
        else:
            return None
    return ends or None


def _split(reader: ir.Node, parts: Sequence[ir.Value], widths: Sequence[int]) -> None:
    """Put one 1x1 convolution for each part, and their sum, in a 1x1 convolution's place."""
    found = convolution(reader)
    assert found is not None
    total: ir.Value | None = None
    for part, width, start in zip(parts, widths, _starts(widths), strict=True):
        weights = found.weights[:, start : start + width]
        term = insert_convolution(reader, part, weights, found.bias if total is None else None)
        total = term if total is None else insert(reader, "Add", [total, term])
    assert total is not None
    replace(reader, total)


def _moved_behind(reader: ir.Node, parts: Sequence[ir.Value], widths: Sequence[int]) -> ir.Node:
    """Let an activation or depthwise convolution act on each part; returns the concatenation behind it."""
    found = convolution(reader)
    behind: list[ir.Value] = []
    for part, width, start in zip(parts, widths, _starts(widths), strict=True):
        if found is None:
            attributes = {name: item.value for name, item in reader.attributes.items()}
            behind.append(insert(reader, reader.op_type, [part], **attributes))
        else:
            own = slice(start, start + width)
            weights, bias = found.weights[own], found.bias[own]
            behind.append(insert_convolution(reader, part, weights, bias, group=width, **found.attributes))
    joined = insert(reader, "Concat", behind, axis=1)
    replace(reader, joined)
    concat = joined.producer()
    assert concat is not None
    return concat


def _starts(widths: Sequence[int]) -> list[int]:
    return [sum(widths[:index]) for index in range(len(widths))]

"""A frozen torch network as an ONNX model: named dynamic axes, pinned opset, nothing of the exporter's left inside."""

import io
import logging
import signal
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from typing import Any

import onnx
import torch
from torch import nn

OPSET = 18
"""Within 9..25, what TensorRT's parser takes, and new enough for every operator used."""


def onnx_from_network(network: nn.Module, *, channels: int, alignment: int, conditioned: bool) -> onnx.ModelProto:
    """Export a network in evaluation mode.

    Inputs `noisy` (N, C, H, W) float32 with H and W multiples of `alignment` and, if conditioned, `sigma` (N,) float32;
    output `denoised`. Same network, same bytes.
    """
    batch = torch.export.Dim("batch")
    side = 8 * alignment
    example: tuple[torch.Tensor, ...] = (torch.zeros(2, channels, side, side + alignment),)
    if alignment > 1:
        height = alignment * torch.export.Dim("height", min=1, max=1 << 20)
        width = alignment * torch.export.Dim("width", min=1, max=1 << 20)
    else:
        height, width = torch.export.Dim("height", min=1, max=1 << 20), torch.export.Dim("width", min=1, max=1 << 20)
    shapes: tuple[dict[int, Any], ...] = ({0: batch, 2: height, 3: width},)
    names = ["noisy"]
    if conditioned:
        example += (torch.full((2,), 25.0),)
        shapes += ({0: batch},)
        names.append("sigma")
    with _quiet_exporter(), _ctrl_c_stays_ctrl_c():
        program = torch.onnx.export(
            network.eval(),
            example,
            dynamo=True,
            opset_version=OPSET,
            input_names=names,
            output_names=["denoised"],
            dynamic_shapes=shapes,
            external_data=False,
            verbose=False,
        )
    if program is None:
        raise RuntimeError("torch.onnx.export returned no program")
    model = program.model_proto
    _strip(model)
    return model


@contextmanager
def _quiet_exporter() -> Iterator[None]:
    """The exporter talks about packages we do not use; what fails raises all the same."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


@contextmanager
def _ctrl_c_stays_ctrl_c() -> Iterator[None]:
    """The exporter turns a KeyboardInterrupt into an error of its own; the person who pressed Ctrl-C gets it back."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    pressed = threading.Event()
    before = signal.getsignal(signal.SIGINT)

    def interrupt(*_: object) -> None:
        pressed.set()
        raise KeyboardInterrupt

    signal.signal(signal.SIGINT, interrupt)
    try:
        yield
    except Exception as error:
        if pressed.is_set():
            raise KeyboardInterrupt from error
        raise
    finally:
        signal.signal(signal.SIGINT, before)


def _strip(model: onnx.ModelProto) -> None:
    """Drop the exporter's notes (source lines, module paths): they are a tenth of a small model's bytes."""
    graph = model.graph
    for item in [*graph.node, *graph.input, *graph.output, *graph.value_info, *graph.initializer]:
        del item.metadata_props[:]
        item.doc_string = ""
    del graph.metadata_props[:]
    del model.metadata_props[:]
    del graph.value_info[:]
    graph.name = "hinas"
    graph.doc_string = model.doc_string = ""
    model.producer_name, model.producer_version = "hinas", ""

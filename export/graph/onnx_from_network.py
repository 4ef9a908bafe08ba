"""A trained torch network as an ONNX model: batch norms folded, named dynamic axes, a pinned opset, nothing else."""

import io
import logging
import signal
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from copy import deepcopy
from itertools import pairwise
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from ...network_input import NetworkInput
from ...search.spaces.folding import Foldable
from ...search.tasks.interface import Example

OPSET = 18
"""Within 9..25, what TensorRT's parser takes, and new enough for every operator used."""


def with_folded_batchnorm(network: nn.Module) -> nn.Module:
    """A copy of an evaluation-mode network in which every Conv2d -> BatchNorm2d pair of a Sequential is one Conv2d.

    Raises ValueError where a batch norm is left that follows no convolution.
    """
    folded = deepcopy(network).eval()
    for parent in list(folded.modules()):
        if isinstance(parent, nn.Sequential):
            _fold_pairs(parent)
    left = [name for name, module in folded.named_modules() if isinstance(module, nn.BatchNorm2d)]
    if left:
        raise ValueError(f"batch norm {left[0]} follows no convolution and cannot be folded")
    return folded


def with_folded_branches(network: nn.Module) -> nn.Module:
    """A copy in which every layer that trains as parallel branches is the one layer it stands for."""
    folded = deepcopy(network)
    for parent in list(folded.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, Foldable):
                setattr(parent, name, child.folded())
    return folded


def _fold_pairs(sequence: nn.Sequential) -> None:
    names = list(sequence._modules)
    for name, following in pairwise(names):
        first, second = sequence._modules[name], sequence._modules[following]
        if isinstance(first, nn.Conv2d) and isinstance(second, nn.BatchNorm2d):
            with torch.no_grad():
                sequence._modules[name] = fuse_conv_bn_eval(first, second)
            sequence._modules[following] = nn.Identity()


def onnx_from_network(network: nn.Module, given: NetworkInput) -> onnx.ModelProto:
    """Export a network in evaluation mode.

    Inputs `noisy` (N, C, H, W) float32 with H and W multiples of the alignment and, if conditioned, `sigma` (N,)
    float32; output `denoised` (N, C, scale * H, scale * W). Same network, same bytes.
    """
    alignment = given.alignment
    batch = torch.export.Dim("batch")
    side = 8 * alignment
    example: tuple[torch.Tensor, ...] = (torch.zeros(2, given.channels, side, side + alignment),)
    if alignment > 1:
        height = alignment * torch.export.Dim("height", min=1, max=1 << 20)
        width = alignment * torch.export.Dim("width", min=1, max=1 << 20)
    else:
        height, width = torch.export.Dim("height", min=1, max=1 << 20), torch.export.Dim("width", min=1, max=1 << 20)
    shapes: tuple[dict[int, Any], ...] = ({0: batch, 2: height, 3: width},)
    names = ["noisy"]
    if given.conditioned:
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


def feeds_of(example: Example, given: NetworkInput) -> dict[str, NDArray[np.float32]]:
    """The inputs of such a model, by name, for one degraded image."""
    if not given.conditioned:
        return {"noisy": example.degraded_BCHW}
    assert example.level is not None, "the network is told a strength, but its task has none"
    return {"noisy": example.degraded_BCHW, "sigma": np.full(1, example.level, np.float32)}


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

"""What a finished fp32 model says of its network's weights, so that training can go on from the model alone."""

import onnx
import torch
from torch import nn

from ...search.learning.weights import checksum_of
from ...search.learning.weights_in_model import STATE_DICT, state_dict_entry


def entries_for_training(model: onnx.ModelProto, network: nn.Module) -> dict[str, str]:
    """The entries of the metadata; empty where the graph has no use for most weights as they were trained.

    `network`: as it was trained, on the CPU.
    """
    state = {name: tensor.detach() for name, tensor in network.state_dict().items()}
    stored = {
        item.name: torch.from_numpy(onnx.numpy_helper.to_array(item).copy())
        for item in model.graph.initializer
        if item.name in state
    }
    text = state_dict_entry(state, stored, checksum_of(state))
    return {} if text is None else {STATE_DICT: text}

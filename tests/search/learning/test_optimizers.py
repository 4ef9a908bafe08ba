"""Muon takes hidden kernels: never the convolution that is given the image, nor the one that makes it."""

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import torch
from hinas.errors import UserError
from hinas.search.bundled_genotypes import genotype_file
from hinas.search.genotype import Genotype, genotype_from_json, read_genotype
from hinas.search.training.optimizers import kernels_and_rest
from hinas.search.training.training_settings import TrainingSettings
from hinas.search.training.training_state import TrainingState, new_state, restore_state, state_content
from torch import Tensor, nn

CLEARER = {
    "width": 4,
    "stages": [["parallel", "fusion"], ["parallel", "parallel"]],
    "normalisation": "none",
    "conditioning": {"range": [0, 75]},
}


def _of_space(space: str, network: dict[str, Any]) -> Genotype:
    document = {"format": "hinas-genotype", "version": 1, "space": space, "task": {"channels": 1}, "network": network}
    return genotype_from_json(json.dumps(document))


def _in_order_of_use(genotype: Genotype, network: nn.Module) -> list[Any]:
    used: list[nn.Module] = []
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            module.register_forward_hook(lambda module, *_: used.append(module))
    given = genotype.network_input
    image = torch.rand(1, given.channels, 8 * given.alignment, 8 * given.alignment)
    network.eval()(*((image, torch.tensor([30.0])) if given.conditioned else (image,)))
    return used


@pytest.mark.parametrize("name", ["clearer", "hinas", "gray-fast", "sr-x2"])
def test_muon_takes_what_lies_between_the_first_and_the_last_convolution(name: str, small_document: Any) -> None:
    if name == "clearer":
        genotype = _of_space("clearer", CLEARER)
    elif name == "hinas":
        genotype = genotype_from_json(json.dumps(small_document(1)))
    else:
        genotype = read_genotype(genotype_file(Path(name)))
    network = genotype.built()
    kernels, rest = kernels_and_rest(network)
    first, *hidden, last = _in_order_of_use(genotype, network)
    assert _are_in([first.weight, last.weight], rest)
    assert _are_in([module.weight for module in hidden if module.groups == 1], kernels)
    assert len(kernels) + len(rest) == len(list(network.parameters()))


def _are_in(some: list[Tensor], all_of_them: list[Tensor]) -> bool:
    return {id(one) for one in some} <= {id(one) for one in all_of_them}


def _state() -> TrainingState:
    """After one step of each optimizer, so that all of them keep something of their weights."""
    settings = TrainingSettings(crop=16, batch=1, learning_rate=1e-3)
    state = new_state(_of_space("clearer", CLEARER).built(), settings, device=torch.device("cpu"))
    for weight in state.network.parameters():
        weight.grad = torch.ones_like(weight)
    for optimizer in state.optimizers:
        optimizer.step()
    return state


def test_a_checkpoint_whose_momenta_are_of_other_convolutions_is_refused() -> None:
    """As of the time when CLEARER's last hidden convolution counted as the one that makes the image."""
    content = state_content(_state(), {}, "id")
    restore_state(_state(), content)
    earlier = deepcopy(content)
    momenta = earlier["optimizers"][0]["state"]
    momenta[0], momenta[1] = momenta[1], momenta[0]
    with pytest.raises(UserError, match="an earlier version of hinas, which trained other convolutions with Muon"):
        restore_state(_state(), earlier)

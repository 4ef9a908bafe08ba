"""Folding batch norms keeps the function and leaves none behind."""

import pytest
import torch
from hinas.export.graph.onnx_from_network import with_folded_batchnorm
from torch import nn


def _shaken(network: nn.Module) -> nn.Module:
    torch.manual_seed(0)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            assert module.running_mean is not None
            assert module.running_var is not None
            nn.init.normal_(module.running_mean)
            nn.init.uniform_(module.running_var, 0.5, 2)
            nn.init.normal_(module.weight)
            nn.init.normal_(module.bias)
    return network.eval()


def test_the_function_stays_and_the_original_is_untouched() -> None:
    inner = nn.Sequential(nn.Conv2d(4, 4, 3, groups=4, bias=False), nn.Conv2d(4, 6, 1, bias=False), nn.BatchNorm2d(6))
    network = _shaken(nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.LeakyReLU(0.2), inner))
    folded = with_folded_batchnorm(network)
    image = torch.rand(2, 1, 12, 12)
    torch.testing.assert_close(folded(image), network(image), rtol=1e-5, atol=1e-6)
    assert not [module for module in folded.modules() if isinstance(module, nn.BatchNorm2d)]
    assert [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]


def test_a_batch_norm_without_a_convolution_is_an_error() -> None:
    with pytest.raises(ValueError, match="batch norm 1 follows no convolution"):
        with_folded_batchnorm(nn.Sequential(nn.LeakyReLU(), nn.BatchNorm2d(3)))

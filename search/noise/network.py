"""The noise network in PyTorch, as it is trained; the runtime runs the same weights in NumPy.

Shapes: `B` crops of `H` x `W` pixels, `C` channels. Crops are RGB in grey levels 0..255.
"""

import zipfile
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ...errors import UserError

LEVEL_OFFSET = 0.5
"""Grey levels: the network gives log(level + this)."""
_MIDDLE, _SPREAD = 127.5, 64.0
"""What pixels are shifted by and divided by."""
_WIDTHS = (32, 48, 64)
"""Channels of the three convolutions."""
_HIDDEN = 64
_CELLS = 4
"""Along a side: the calmest of so many squared cells is looked at, too."""
_FLOOR = 0.01
"""Added before the logarithm."""


class NoiseNetwork(nn.Module):
    """Three convolutions; of each the mean and the calmest cell's mean, their logarithms through two dense layers."""

    def __init__(self) -> None:
        super().__init__()
        # The names are those of the file that the runtime reads.
        self.a = nn.Conv2d(3, _WIDTHS[0], 5, stride=2)
        self.b = nn.Conv2d(_WIDTHS[0], _WIDTHS[1], 3, stride=2)
        self.c = nn.Conv2d(_WIDTHS[1], _WIDTHS[2], 3, stride=2)
        self.d = nn.Linear(2 * sum(_WIDTHS) + 1, _HIDDEN)
        self.e = nn.Linear(_HIDDEN, 2)

    def forward(self, crops_BCHW: Tensor) -> tuple[Tensor, Tensor]:
        """log(level + `LEVEL_OFFSET`) of each crop, (B,), and the log odds that its noise is white, (B,)."""
        values = (crops_BCHW - _MIDDLE) / _SPREAD
        found: list[Tensor] = []
        for layer in (self.a, self.b, self.c):
            values = F.relu(layer(values))
            found += [values.mean((2, 3)), F.adaptive_avg_pool2d(values, _CELLS).amin((2, 3))]
        is_equal_BHW = (crops_BCHW[..., 1:] == crops_BCHW[..., :-1]).all(1)
        found.append(is_equal_BHW.float().mean((1, 2))[:, None])
        hidden = F.relu(self.d((torch.cat(found, 1) + _FLOOR).log()))
        log_levels_B, whiteness_B = self.e(hidden).unbind(1)
        return log_levels_B, whiteness_B


def save_noise_network(network: NoiseNetwork, path: Path) -> None:
    """Write the file that the runtime reads, an .npz of float32 arrays; the same weights give the same bytes."""
    weights = {name: tensor.detach().cpu().numpy() for name, tensor in network.state_dict().items()}
    # An open file: NumPy would put another suffix behind a name.
    with path.open("wb") as file:
        np.savez_compressed(file, allow_pickle=False, **weights)


def load_noise_network(path: Path) -> NoiseNetwork:
    """A network with the weights of a file; UserError where it is missing, damaged or holds other weights."""
    try:
        with np.load(path) as file:
            weights = {name: torch.from_numpy(file[name]) for name in file.files}
    except FileNotFoundError as error:
        raise UserError(f"{path}: no such file; give an .npz that tools/train_noise_network.py wrote") from error
    except (OSError, ValueError, EOFError, TypeError, AttributeError, zipfile.BadZipFile) as error:
        raise UserError(f"{path}: cannot be read as weights of a noise network ({error})") from error
    network = NoiseNetwork()
    try:
        network.load_state_dict(weights)
    except RuntimeError as error:
        raise UserError(f"{path}: weights of another network; give one that was trained as this one is") from error
    return network

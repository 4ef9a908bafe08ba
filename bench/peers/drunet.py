"""DRUNet: a U-Net of residual blocks without biases, with the noise map as one more channel.

K. Zhang, Y. Li, W. Zuo, L. Zhang, L. Van Gool, R. Timofte: Plug-and-Play Image Restoration with Deep Denoiser Prior.
IEEE Transactions on Pattern Analysis and Machine Intelligence 44(10), 2022. Four scales of 64, 128, 256 and 512
channels, four residual blocks on each way and scale.
"""

from itertools import pairwise

from .layers import Layers

_WIDTHS = (64, 128, 256, 512)
_NUM_BLOCKS = 4


def drunet(layers: Layers, *, channels: int) -> str:
    """The denoised image; its sides must be multiples of 8. Tensors are named as in the authors' own weight files."""
    full = _WIDTHS[0]
    value = layers.node("Concat", "noisy", layers.noise_map("noisy"), axis=1)
    value = layers.conv(value, "m_head", (channels + 1, full), has_bias=False)
    kept = [value]
    for scale, (width, wider) in enumerate(pairwise(_WIDTHS), 1):
        value = _blocks(layers, value, f"m_down{scale}", width, first=0)
        value = layers.conv(value, f"m_down{scale}.{_NUM_BLOCKS}", (width, wider), side=2, stride=2, has_bias=False)
        kept.append(value)
    value = _blocks(layers, value, "m_body", _WIDTHS[-1], first=0)
    for scale in range(len(_WIDTHS) - 1, 0, -1):
        width, wider = _WIDTHS[scale - 1], _WIDTHS[scale]
        value = layers.upconv(layers.node("Add", value, kept[scale]), f"m_up{scale}.0", (wider, width))
        value = _blocks(layers, value, f"m_up{scale}", width, first=1)
    return layers.conv(layers.node("Add", value, kept[0]), "m_tail", (full, channels), has_bias=False)


def _blocks(layers: Layers, value: str, name: str, width: int, *, first: int) -> str:
    for index in range(first, first + _NUM_BLOCKS):
        inner = layers.relu(layers.conv(value, f"{name}.{index}.res.0", (width, width), has_bias=False))
        inner = layers.conv(inner, f"{name}.{index}.res.2", (width, width), has_bias=False)
        value = layers.node("Add", value, inner)
    return value

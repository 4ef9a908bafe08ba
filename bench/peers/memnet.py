"""MemNet: memory blocks of a recursive unit each, gated over all blocks before.

Y. Tai, J. Yang, X. Liu, C. Xu: MemNet: A Persistent Memory Network for Image Restoration. ICCV 2017. M6R6: 6 memory
blocks of 6 recursions over 2 convolutions, 80 layers, 64 channels; the basic architecture (section 3.1), whose output
is the last block's. The convolutions of a block's recursions share their weights. Every layer is normalisation, ReLU,
convolution: a normalisation behind a convolution that nothing else reads is folded into it, the others are left as
scale and shift.
"""

from .layers import Layers

_NUM_BLOCKS, _NUM_RECURSIONS, _WIDTH = 6, 6, 64


def memnet(layers: Layers, *, channels: int) -> str:
    """The denoised image. Tensors: features, block.M.first, block.M.second, block.M.gate and output."""

    def activated(value: str, name: str, num_channels: int) -> str:
        return layers.relu(layers.scale(value, f"{name}.norm", num_channels))

    value = layers.conv(activated("noisy", "features", channels), "features", (channels, _WIDTH))
    memories = [value]
    for block in range(_NUM_BLOCKS):
        name = f"block.{block}"
        states: list[str] = []
        for _ in range(_NUM_RECURSIONS):
            inner = layers.conv(activated(value, f"{name}.first", _WIDTH), f"{name}.first", (_WIDTH, _WIDTH))
            inner = layers.conv(layers.relu(inner), f"{name}.second", (_WIDTH, _WIDTH))
            value = layers.node("Add", inner, value)
            states.append(value)
        num_gated = _WIDTH * (len(states) + len(memories))
        gated = activated(layers.node("Concat", *states, *memories, axis=1), f"{name}.gate", num_gated)
        value = layers.conv(gated, f"{name}.gate", (num_gated, _WIDTH), side=1)
        memories.append(value)
    residual = layers.conv(activated(value, "output", _WIDTH), "output", (_WIDTH, channels))
    return layers.node("Add", "noisy", residual)

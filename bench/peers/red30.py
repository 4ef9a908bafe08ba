"""RED30: 15 convolutions and 15 deconvolutions with a shortcut across every second pair.

X. Mao, C. Shen, Y. Yang: Image Restoration Using Very Deep Convolutional Encoder-Decoder Networks with Symmetric Skip
Connections. NIPS 2016. 128 channels. A deconvolution of stride 1 is a convolution with its kernel turned round and its
channels swapped, and is written as one here.
"""

from .layers import Layers

_DEPTH, _WIDTH = 15, 128


def red30(layers: Layers, *, channels: int) -> str:
    """The denoised image. Tensors: conv.0 to conv.14, then deconv.0 to deconv.14, all as convolutions' weights."""
    value, kept = "noisy", ["noisy"]
    for index in range(_DEPTH):
        value = layers.relu(layers.conv(value, f"conv.{index}", (channels if index == 0 else _WIDTH, _WIDTH)))
        kept.append(value)
    for index in range(_DEPTH):
        last = index == _DEPTH - 1
        value = layers.conv(value, f"deconv.{index}", (_WIDTH, channels if last else _WIDTH))
        # What this layer gives has the shape of what its mirror image was given.
        mirror = kept[_DEPTH - 1 - index]
        if last:
            return layers.node("Add", value, mirror)
        value = layers.relu(layers.node("Add", value, mirror) if index % 2 == 0 else value)
    raise AssertionError("the last layer returns")

"""The layers of published networks for super-resolution, as they are deployed."""

from .peer_layers import Layers

_FSRCNN_FEATURES, _FSRCNN_SHRUNK, _FSRCNN_MAPPINGS = 56, 12, 4


def fsrcnn(layers: Layers, *, scale: int) -> str:
    """FSRCNN: a narrow chain on the small picture and one large transposed convolution; brightness alone.

    C. Dong, C. C. Loy, X. Tang: Accelerating the Super-Resolution Convolutional Neural Network. ECCV 2016. 56
    features, 12 after shrinking, 4 mappings.

    Returns the name of the enlarged image. Tensors: extract, shrink, map.0 to map.3, expand and enlarge; `.slope` of
    the PReLU behind all but the last.
    """

    def layer(value: str, name: str, channels: tuple[int, int], side: int) -> str:
        return layers.prelu(layers.conv(value, name, channels, side=side), name, channels[1])

    value = layer("noisy", "extract", (1, _FSRCNN_FEATURES), 5)
    value = layer(value, "shrink", (_FSRCNN_FEATURES, _FSRCNN_SHRUNK), 1)
    for index in range(_FSRCNN_MAPPINGS):
        value = layer(value, f"map.{index}", (_FSRCNN_SHRUNK, _FSRCNN_SHRUNK), 3)
    value = layer(value, "expand", (_FSRCNN_SHRUNK, _FSRCNN_FEATURES), 1)
    return layers.enlarging_conv(value, "enlarge", (_FSRCNN_FEATURES, 1), side=9, scale=scale)


_IMDN_WIDTH, _IMDN_DISTILLED, _IMDN_BLOCKS, _IMDN_SQUEEZED = 64, 16, 6, 4
_IMDN_SLOPE = 0.05


def imdn(layers: Layers, *, scale: int) -> str:
    """IMDN: blocks that set a quarter of the channels aside three times, then weigh all by the whole image's contrast.

    Z. Hui, X. Gao, Y. Yang, X. Wang: Lightweight Image Super-Resolution with Information Multi-distillation Network.
    ACM Multimedia 2019. 6 blocks of 64 channels.

    Returns the name of the enlarged image. Tensors are named as in the authors' own weight files, but for
    `upsampler`: fea_conv, IMDB1.c1 to IMDB6.c5 with IMDB1.cca.conv_du.0 and .2, c.0, LR_conv, upsampler.0.
    """
    width = _IMDN_WIDTH
    rest = width - _IMDN_DISTILLED

    def activated(value: str) -> str:
        return layers.node("LeakyRelu", value, alpha=_IMDN_SLOPE)

    features = layers.conv("noisy", "fea_conv", (3, width))
    value, found = features, list[str]()
    for block in range(1, _IMDN_BLOCKS + 1):
        name = f"IMDB{block}"
        inner, set_aside = value, list[str]()
        for step in range(1, 4):
            inner = activated(layers.conv(inner, f"{name}.c{step}", (width if step == 1 else rest, width)))
            kept, inner = layers.split(inner, (_IMDN_DISTILLED, rest))
            set_aside.append(kept)
        set_aside.append(layers.conv(inner, f"{name}.c4", (rest, _IMDN_DISTILLED)))
        weighed = _contrast_attention(layers, layers.node("Concat", *set_aside, axis=1), f"{name}.cca.conv_du")
        value = layers.node("Add", layers.conv(weighed, f"{name}.c5", (width, width), side=1), value)
        found.append(value)
    joined = layers.conv(layers.node("Concat", *found, axis=1), "c.0", (width * _IMDN_BLOCKS, width), side=1)
    value = layers.node("Add", layers.conv(activated(joined), "LR_conv", (width, width)), features)
    value = layers.conv(value, "upsampler.0", (width, 3 * scale**2))
    return layers.node("DepthToSpace", value, blocksize=scale, mode="CRD")


def _contrast_attention(layers: Layers, value: str, name: str) -> str:
    """Every channel times a weight in 0..1 that follows from all channels' means and deviations."""
    mean = layers.node("ReduceMean", value, axes=[2, 3], keepdims=1)
    off = layers.node("Sub", value, mean)
    variance = layers.node("ReduceMean", layers.node("Mul", off, off), axes=[2, 3], keepdims=1)
    contrast = layers.node("Add", layers.node("Sqrt", variance), mean)
    squeezed = layers.relu(layers.conv(contrast, f"{name}.0", (_IMDN_WIDTH, _IMDN_SQUEEZED), side=1))
    weight = layers.node("Sigmoid", layers.conv(squeezed, f"{name}.2", (_IMDN_SQUEEZED, _IMDN_WIDTH), side=1))
    return layers.node("Mul", value, weight)

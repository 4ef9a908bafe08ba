"""The layers of the published networks measured beside ours, batch normalisations folded, as they are deployed.

Each function states the names of its tensors: a file with weights uses the same names.
"""

from itertools import pairwise

from .peer_layers import Layers


def dncnn(layers: Layers, *, channels: int, num_layers: int, width: int = 64) -> str:
    """DnCNN: a plain chain of convolutions that predicts the noise.

    K. Zhang, W. Zuo, Y. Chen, D. Meng, L. Zhang: Beyond a Gaussian Denoiser: Residual Learning of Deep CNN for
    Image Denoising. IEEE Transactions on Image Processing 26(7), 2017. Grey images and one noise level (DnCNN-S):
    17 layers; colour and blind (CDnCNN-B): 20 layers; 64 channels.

    Returns the name of the denoised image. Tensors are named as in a chain of convolutions and ReLUs: model.0,
    model.2, ...
    """
    value = layers.relu(layers.conv("noisy", "model.0", (channels, width)))
    for index in range(1, num_layers - 1):
        value = layers.relu(layers.conv(value, f"model.{2 * index}", (width, width)))
    noise = layers.conv(value, f"model.{2 * num_layers - 2}", (width, channels))
    return layers.node("Sub", "noisy", noise)


def ffdnet(layers: Layers, *, channels: int, width: int, num_layers: int) -> str:
    """FFDNet: convolutions at half resolution on the image's four phases and a noise map.

    K. Zhang, W. Zuo, L. Zhang: FFDNet: Toward a Fast and Flexible Solution for CNN-Based Image Denoising. IEEE
    Transactions on Image Processing 27(9), 2018. Grey: 15 layers of 64 channels; colour: 12 layers of 96.

    Returns the name of the denoised image. Tensors are named as in a chain of convolutions and ReLUs: model.0,
    model.2, ...

    In the first one's weights the phases of a colour stand together (PyTorch's PixelUnshuffle), the noise map last.
    """
    phases = layers.node("SpaceToDepth", "noisy", blocksize=2)
    # SpaceToDepth puts the colours of a phase together instead.
    order = [colour * 4 + phase for phase in range(4) for colour in range(channels)] + [4 * channels]
    value = layers.node("Concat", phases, layers.noise_map(phases), axis=1)
    value = layers.relu(layers.conv(value, "model.0", (4 * channels + 1, width), input_order=order))
    for index in range(1, num_layers - 1):
        value = layers.relu(layers.conv(value, f"model.{2 * index}", (width, width)))
    value = layers.conv(value, f"model.{2 * num_layers - 2}", (width, 4 * channels))
    return layers.node("DepthToSpace", value, blocksize=2, mode="CRD")


_RED30_DEPTH, _RED30_WIDTH = 15, 128


def red30(layers: Layers, *, channels: int) -> str:
    """RED30: 15 convolutions and 15 deconvolutions with a shortcut across every second pair.

    X. Mao, C. Shen, Y. Yang: Image Restoration Using Very Deep Convolutional Encoder-Decoder Networks with
    Symmetric Skip Connections. NIPS 2016. 128 channels. A deconvolution of stride 1 is a convolution with its
    kernel turned round and its channels swapped, and is written as one here.

    Returns the name of the denoised image. Tensors: conv.0 to conv.14, then deconv.0 to deconv.14, all as
    convolutions' weights.
    """
    value, kept = "noisy", ["noisy"]
    for index in range(_RED30_DEPTH):
        value = layers.relu(
            layers.conv(value, f"conv.{index}", (channels if index == 0 else _RED30_WIDTH, _RED30_WIDTH))
        )
        kept.append(value)
    for index in range(_RED30_DEPTH):
        last = index == _RED30_DEPTH - 1
        value = layers.conv(value, f"deconv.{index}", (_RED30_WIDTH, channels if last else _RED30_WIDTH))
        # What this layer gives has the shape of what its mirror image was given.
        mirror = kept[_RED30_DEPTH - 1 - index]
        if last:
            return layers.node("Add", value, mirror)
        value = layers.relu(layers.node("Add", value, mirror) if index % 2 == 0 else value)
    raise AssertionError("the last layer returns")


_MEMNET_NUM_BLOCKS, _MEMNET_NUM_RECURSIONS, _MEMNET_WIDTH = 6, 6, 64


def memnet(layers: Layers, *, channels: int) -> str:
    """MemNet: memory blocks of a recursive unit each, gated over all blocks before.

    Y. Tai, J. Yang, X. Liu, C. Xu: MemNet: A Persistent Memory Network for Image Restoration. ICCV 2017. M6R6: 6
    memory blocks of 6 recursions over 2 convolutions, 80 layers, 64 channels; the basic architecture (section 3.1),
    whose output is the last block's. The convolutions of a block's recursions share their weights. Every layer is
    normalisation, ReLU, convolution: a normalisation behind a convolution that nothing else reads is folded into
    it, the others are left as scale and shift.

    Returns the name of the denoised image. Tensors: features, block.M.first, block.M.second, block.M.gate and
    output.
    """

    def activated(value: str, name: str, num_channels: int) -> str:
        return layers.relu(layers.scale(value, f"{name}.norm", num_channels))

    value = layers.conv(activated("noisy", "features", channels), "features", (channels, _MEMNET_WIDTH))
    memories = [value]
    for block in range(_MEMNET_NUM_BLOCKS):
        name = f"block.{block}"
        states: list[str] = []
        for _ in range(_MEMNET_NUM_RECURSIONS):
            inner = layers.conv(
                activated(value, f"{name}.first", _MEMNET_WIDTH), f"{name}.first", (_MEMNET_WIDTH, _MEMNET_WIDTH)
            )
            inner = layers.conv(layers.relu(inner), f"{name}.second", (_MEMNET_WIDTH, _MEMNET_WIDTH))
            value = layers.node("Add", inner, value)
            states.append(value)
        num_gated = _MEMNET_WIDTH * (len(states) + len(memories))
        gated = activated(layers.node("Concat", *states, *memories, axis=1), f"{name}.gate", num_gated)
        value = layers.conv(gated, f"{name}.gate", (num_gated, _MEMNET_WIDTH), side=1)
        memories.append(value)
    residual = layers.conv(activated(value, "output", _MEMNET_WIDTH), "output", (_MEMNET_WIDTH, channels))
    return layers.node("Add", "noisy", residual)


_DRUNET_WIDTHS = (64, 128, 256, 512)
_DRUNET_NUM_BLOCKS = 4


def drunet(layers: Layers, *, channels: int) -> str:
    """DRUNet: a U-Net of residual blocks without biases, with the noise map as one more channel.

    K. Zhang, Y. Li, W. Zuo, L. Zhang, L. Van Gool, R. Timofte: Plug-and-Play Image Restoration with Deep Denoiser
    Prior. IEEE Transactions on Pattern Analysis and Machine Intelligence 44(10), 2022. Four scales of 64, 128, 256
    and 512 channels, four residual blocks on each way and scale.

    Returns the name of the denoised image; its sides must be multiples of 8. Tensors are named as in the authors'
    own weight files.
    """
    full = _DRUNET_WIDTHS[0]
    value = layers.node("Concat", "noisy", layers.noise_map("noisy"), axis=1)
    value = layers.conv(value, "m_head", (channels + 1, full), has_bias=False)
    kept = [value]
    for scale, (width, wider) in enumerate(pairwise(_DRUNET_WIDTHS), 1):
        value = _blocks(layers, value, f"m_down{scale}", width, first=0)
        value = layers.conv(
            value, f"m_down{scale}.{_DRUNET_NUM_BLOCKS}", (width, wider), side=2, stride=2, has_bias=False
        )
        kept.append(value)
    value = _blocks(layers, value, "m_body", _DRUNET_WIDTHS[-1], first=0)
    for scale in range(len(_DRUNET_WIDTHS) - 1, 0, -1):
        width, wider = _DRUNET_WIDTHS[scale - 1], _DRUNET_WIDTHS[scale]
        value = layers.upconv(layers.node("Add", value, kept[scale]), f"m_up{scale}.0", (wider, width))
        value = _blocks(layers, value, f"m_up{scale}", width, first=1)
    return layers.conv(layers.node("Add", value, kept[0]), "m_tail", (full, channels), has_bias=False)


def _blocks(layers: Layers, value: str, name: str, width: int, *, first: int) -> str:
    for index in range(first, first + _DRUNET_NUM_BLOCKS):
        inner = layers.relu(layers.conv(value, f"{name}.{index}.res.0", (width, width), has_bias=False))
        inner = layers.conv(inner, f"{name}.{index}.res.2", (width, width), has_bias=False)
        value = layers.node("Add", value, inner)
    return value

"""FFDNet: convolutions at half resolution on the image's four phases and a noise map.

K. Zhang, W. Zuo, L. Zhang: FFDNet: Toward a Fast and Flexible Solution for CNN-Based Image Denoising. IEEE
Transactions on Image Processing 27(9), 2018. Grey: 15 layers of 64 channels; colour: 12 layers of 96. Batch
normalisations folded, as it is deployed.
"""

from .layers import Layers


def ffdnet(layers: Layers, *, channels: int, width: int, num_layers: int) -> str:
    """The denoised image. Tensors are named as in a chain of convolutions and ReLUs: model.0, model.2, ...

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

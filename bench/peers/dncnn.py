"""DnCNN: a plain chain of convolutions that predicts the noise; batch normalisations folded, as it is deployed.

K. Zhang, W. Zuo, Y. Chen, D. Meng, L. Zhang: Beyond a Gaussian Denoiser: Residual Learning of Deep CNN for Image
Denoising. IEEE Transactions on Image Processing 26(7), 2017. Grey images and one noise level (DnCNN-S): 17 layers;
colour and blind (CDnCNN-B): 20 layers; 64 channels.
"""

from .layers import Layers


def dncnn(layers: Layers, *, channels: int, num_layers: int, width: int = 64) -> str:
    """The denoised image. Tensors are named as in a chain of convolutions and ReLUs: model.0, model.2, ..."""
    value = layers.relu(layers.conv("noisy", "model.0", (channels, width)))
    for index in range(1, num_layers - 1):
        value = layers.relu(layers.conv(value, f"model.{2 * index}", (width, width)))
    noise = layers.conv(value, f"model.{2 * num_layers - 2}", (width, channels))
    return layers.node("Sub", "noisy", noise)

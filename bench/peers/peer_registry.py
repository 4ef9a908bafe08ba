"""The peers by the names that `--peers` takes, and each as a model file in hinas's own form."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import onnx

from ...network_input import NetworkInput
from ...runtime.model.manifest import ModelManifest, Tiling
from .enlarging_networks import fsrcnn, imdn
from .peer_layers import Layers
from .peer_networks import dncnn, drunet, ffdnet, memnet, red30
from .peer_weights import PeerWeights, recorded


@dataclass(frozen=True, kw_only=True)
class Peer:
    """A published network."""

    title: str
    """As its paper calls it."""
    input: NetworkInput
    """Its level range: those that its paper trained for; None: it takes no level, was trained for one, or for all."""
    build: Callable[[Layers], str]
    """Adds its layers; returns the name of the denoised image."""
    source: str
    halo: int
    """Pixels that a pixel's value depends on at most, per side."""
    tiling: Tiling = "exact"
    """`approximate`: it sees the whole image, and `halo` is how far the convolutions reach."""
    weights_at: str | None = None
    """Where trained weights are to be had; None: nobody looked."""

    @property
    def channels(self) -> int:
        """1: for grey images; 3: for colour images."""
        return self.input.channels

    @property
    def scale(self) -> int:
        """Above 1: for super-resolution."""
        return self.input.scale


def _networks() -> dict[str, Peer]:
    zhang17, zhang18 = "Zhang et al., TIP 2017", "Zhang et al., TIP 2018"
    kair = "in the authors' repository github.com/cszn/KAIR (model_zoo)"
    peers: dict[str, Peer] = {}
    for suffix, in_colour, channels in (("", "", 1), ("-color", " color", 3)):
        depth = 17 if channels == 1 else 20
        width, layers = (64, 15) if channels == 1 else (96, 12)
        peers |= {
            f"dncnn{suffix}": Peer(
                title="DnCNN-S" if channels == 1 else "CDnCNN-B",
                input=NetworkInput(channels=channels),
                build=partial(dncnn, channels=channels, num_layers=depth),
                source=zhang17,
                weights_at=kair,
                halo=depth,
            ),
            f"ffdnet{suffix}": Peer(
                title=f"FFDNet{in_colour}",
                input=NetworkInput(channels=channels, alignment=2, level_range=(0.0, 75.0)),
                build=partial(ffdnet, channels=channels, width=width, num_layers=layers),
                source=zhang18,
                weights_at=kair,
                halo=2 * layers + 1,
            ),
        }
    peers |= {
        "red30": Peer(
            title="RED30",
            input=NetworkInput(channels=1),
            build=partial(red30, channels=1),
            source="Mao et al., NIPS 2016",
            weights_at="from its authors, at the address that the paper names (for Caffe)",
            halo=30,
        ),
        "memnet": Peer(
            title="MemNet",
            input=NetworkInput(channels=1),
            build=partial(memnet, channels=1),
            source="Tai et al., ICCV 2017",
            weights_at="in the authors' repository github.com/tyshiwo/MemNet (for Caffe)",
            halo=74,
        ),
    }
    for suffix, in_colour, channels in (("", "", 1), ("-color", " color", 3)):
        peers[f"drunet{suffix}"] = Peer(
            title=f"DRUNet{in_colour}",
            input=NetworkInput(channels=channels, alignment=8, level_range=(0.0, 50.0)),
            build=partial(drunet, channels=channels),
            source="Zhang et al., TPAMI 2022",
            weights_at=kair,
            # 2 * (1 + 8 + 16 + 32) of the three scales and both ends, 64 of the middle, 2 * 7 of the resamplings.
            halo=192,
        )
    for scale in (2, 3, 4):
        peers |= {
            f"fsrcnn-x{scale}": Peer(
                title=f"FSRCNN x{scale}",
                input=NetworkInput(channels=1, scale=scale),
                build=partial(fsrcnn, scale=scale),
                source="Dong et al., ECCV 2016",
                halo=8,
            ),
            f"imdn-x{scale}": Peer(
                title=f"IMDN x{scale}",
                input=NetworkInput(channels=3, scale=scale),
                build=partial(imdn, scale=scale),
                source="Hui et al., ACM Multimedia 2019",
                halo=27,
                tiling="approximate",
            ),
        }
    return peers


PEERS: dict[str, Peer] = _networks()


def peer_model(peer: Peer, weights: PeerWeights) -> onnx.ModelProto:
    """The network as a hinas model; UserError where the weights lack a tensor, or one has another shape."""
    weights.check(peer_shapes(peer))
    layers = Layers(weights.tensor)
    model = layers.model(peer.build(layers), peer.input)
    manifest = ModelManifest(
        channels=peer.input.channels,
        scale=peer.scale,
        task="denoise" if peer.scale == 1 else "super-resolution",
        tiling=peer.tiling,
        halo=peer.halo,
        alignment=peer.input.alignment,
        conditioned=peer.input.conditioned,
        sigma_range=weights.sigma_range or peer.input.level_range,
        weights="trained" if weights.is_trained else "random",
        genotype="{}",
    )
    onnx.helper.set_model_props(model, manifest.to_metadata())
    return model


def peer_shapes(peer: Peer) -> dict[str, tuple[int, ...]]:
    """The names and shapes of all tensors that a file with a peer's weights must hold."""
    shapes: dict[str, tuple[int, ...]] = {}
    peer.build(Layers(recorded(shapes)))
    return shapes

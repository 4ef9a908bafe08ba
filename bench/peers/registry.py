"""The peers by the names that `--peers` takes, and each as a model file in hinas's own form."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import onnx

from ...runtime.model.manifest import ModelManifest
from .dncnn import dncnn
from .drunet import drunet
from .ffdnet import ffdnet
from .layers import Layers
from .memnet import memnet
from .red30 import red30
from .weights import PeerWeights, recorded


@dataclass(frozen=True, kw_only=True)
class Peer:
    """A published network."""

    title: str
    """As its paper calls it."""
    channels: int
    build: Callable[[Layers], str]
    """Adds its layers; returns the name of the denoised image."""
    source: str
    halo: int
    """Pixels that a pixel's value depends on at most, per side."""
    alignment: int = 1
    sigma_range: tuple[float, float] | None = None
    """Noise levels its paper trained for; None: it takes no level, and was trained for one, or for all."""


def _networks() -> dict[str, Peer]:
    zhang17, zhang18 = "Zhang et al., TIP 2017", "Zhang et al., TIP 2018"
    peers: dict[str, Peer] = {}
    for suffix, in_colour, channels in (("", "", 1), ("-color", " color", 3)):
        depth = 17 if channels == 1 else 20
        width, layers = (64, 15) if channels == 1 else (96, 12)
        peers |= {
            f"dncnn{suffix}": Peer(
                title="DnCNN-S" if channels == 1 else "CDnCNN-B",
                channels=channels,
                build=partial(dncnn, channels=channels, num_layers=depth),
                source=zhang17,
                halo=depth,
            ),
            f"ffdnet{suffix}": Peer(
                title=f"FFDNet{in_colour}",
                channels=channels,
                build=partial(ffdnet, channels=channels, width=width, num_layers=layers),
                source=zhang18,
                halo=2 * layers + 1,
                alignment=2,
                sigma_range=(0.0, 75.0),
            ),
        }
    peers |= {
        "red30": Peer(
            title="RED30", channels=1, build=partial(red30, channels=1), source="Mao et al., NIPS 2016", halo=30
        ),
        "memnet": Peer(
            title="MemNet", channels=1, build=partial(memnet, channels=1), source="Tai et al., ICCV 2017", halo=74
        ),
    }
    for suffix, in_colour, channels in (("", "", 1), ("-color", " color", 3)):
        peers[f"drunet{suffix}"] = Peer(
            title=f"DRUNet{in_colour}",
            channels=channels,
            build=partial(drunet, channels=channels),
            source="Zhang et al., TPAMI 2022",
            # 2 * (1 + 8 + 16 + 32) of the three scales and both ends, 64 of the middle, 2 * 7 of the resamplings.
            halo=192,
            alignment=8,
            sigma_range=(0.0, 50.0),
        )
    return peers


PEERS: dict[str, Peer] = _networks()


def peer_model(peer: Peer, weights: PeerWeights) -> onnx.ModelProto:
    """The network as a hinas model; UserError where the weights lack a tensor, or one has another shape."""
    weights.check(peer_shapes(peer))
    layers = Layers(weights.tensor)
    conditioned = peer.sigma_range is not None
    model = layers.model(peer.build(layers), channels=peer.channels, conditioned=conditioned)
    manifest = ModelManifest(
        channels=peer.channels,
        halo=peer.halo,
        alignment=peer.alignment,
        conditioned=conditioned,
        sigma_range=weights.sigma_range or peer.sigma_range,
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

"""The peers that `--peers` names: networks as model files, classical algorithms to be timed and scored."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import onnx

from ...errors import UserError
from ..latency.timed_method import TimedMethod
from ..peers.classical import BYTES_PER_PIXEL, CLASSICAL, ClassicalPeer
from ..peers.peer_registry import PEERS, peer_model
from ..peers.peer_weights import RANDOM, PeerWeights, read_weights
from ..quality.measure_quality import ScoredMethod
from .network_files import NetworkFile

ALL = "all"
PEER_NAMES = (*PEERS, *CLASSICAL)


def peer_names(text: str, kinds: frozenset[tuple[int, int]]) -> tuple[str, ...]:
    """`all`, or names separated by commas; `all` are those of the same channels and scale as one of `kinds`.

    Raises UserError for a name that is none.
    """
    if text.strip() == ALL:
        of = {name: (peer.channels, peer.scale) for name, peer in PEERS.items()}
        of |= {name: (peer.channels, 1) for name, peer in CLASSICAL.items()}
        return tuple(name for name in PEER_NAMES if of[name] in kinds)
    names = [name.strip() for name in text.split(",")]
    for name in names:
        if name not in PEER_NAMES:
            raise UserError(f"--peers {text}: no peer {name!r}; known: {ALL}, {', '.join(PEER_NAMES)}")
    return tuple(dict.fromkeys(names))


def weights_by_peer(options: Sequence[str]) -> dict[str, Path]:
    """`ffdnet=FILE` -> {ffdnet: FILE}; UserError where one is not of this form or names no network."""
    files: dict[str, Path] = {}
    for option in options:
        name, separator, file = option.partition("=")
        if not separator or name not in PEERS:
            raise UserError(f"--peer-weights {option}: expected PEER=FILE with PEER one of {', '.join(PEERS)}")
        files[name] = Path(file)
    return files


def peer_files(names: Sequence[str], weights: Mapping[str, Path], folder: Path) -> list[NetworkFile]:
    """The networks among the peers, each written to `folder`; random weights where none are given.

    Raises UserError for weights that do not fit, or of a peer that is not measured.
    """
    if unused := [name for name in weights if name not in names]:
        raise UserError(f"--peer-weights {unused[0]}: this peer is not measured; add it to --peers")
    files: list[NetworkFile] = []
    for name in names:
        if name not in PEERS:
            continue
        peer = PEERS[name]
        given: PeerWeights = read_weights(weights[name]) if name in weights else RANDOM
        path = folder / f"peer-{name}.onnx"
        onnx.save(peer_model(peer, given), path)
        files.append(NetworkFile(model=peer.title, file=path, source=f"{peer.source}; {given.source}"))
    return files


def timed_classical(name: str, *, threads: int) -> TimedMethod:
    """A classical algorithm, to be timed on `threads` processors."""
    peer = CLASSICAL[name]
    return TimedMethod(
        name=peer.title,
        request={"classical": name, "threads": threads},
        facts=_facts(peer, threads),
        bytes_per_pixel=lambda: BYTES_PER_PIXEL,
    )


def scored_classical(name: str, *, threads: int, device: str) -> ScoredMethod:
    """A classical algorithm, to be scored. Raises UserError where its library is missing."""
    peer = CLASSICAL[name]
    denoise = peer.open()
    facts = {**_facts(peer, threads), "library": peer.library(), "device": device}
    return ScoredMethod(name=peer.title, channels=peer.channels, sigma_range=None, denoise=denoise, facts=facts)


def _facts(peer: ClassicalPeer, threads: int) -> dict[str, object]:
    return {
        "model": peer.title,
        "channels": peer.channels,
        # Elsewhere nothing keeps it from taking more.
        "threads": threads if hasattr(os, "sched_setaffinity") else None,
        "source": peer.source,
    }

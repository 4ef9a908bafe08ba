"""What a session measures: networks and classical algorithms, each as something to time."""

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import onnx

from ...errors import UserError
from ...runtime.memory.process_memory import available_bytes
from ..latency.latency import Size, Timed, needed_bytes
from ..peers.registry import PEERS, peer_model
from ..peers.weights import RANDOM, PeerWeights, read_weights
from .candidates import Candidate, ModelSource
from .classical import BYTES_PER_PIXEL, CLASSICAL, Classical
from .method import Method

ALL = "all"
PEER_NAMES = (*PEERS, *CLASSICAL)
_RESERVE = 0.8
"""Of the free memory: what may be planned with."""


def peer_names(text: str, channels: frozenset[int]) -> tuple[str, ...]:
    """`all`, or names separated by commas; `all` are those for the kinds of images that `channels` says.

    Raises UserError for a name that is none.
    """
    if text.strip() == ALL:
        of = {name: peer.channels for name, peer in (PEERS | CLASSICAL).items()}
        return tuple(name for name in PEER_NAMES if of[name] in channels)
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


def peer_sources(names: Sequence[str], weights: Mapping[str, Path], folder: Path) -> list[ModelSource]:
    """The networks among the peers, each written to `folder`; random weights where none are given.

    Raises UserError for weights that do not fit, or of a peer that is not measured.
    """
    if unused := [name for name in weights if name not in names]:
        raise UserError(f"--peer-weights {unused[0]}: this peer is not measured; add it to --peers")
    sources: list[ModelSource] = []
    for name in names:
        if name not in PEERS:
            continue
        peer = PEERS[name]
        given: PeerWeights = read_weights(weights[name]) if name in weights else RANDOM
        path = folder / f"peer-{name}.onnx"
        onnx.save(peer_model(peer, given), path)
        sources.append(ModelSource(model=peer.title, file=path, source=f"{peer.source}; {given.source}"))
    return sources


def timed_candidate(candidate: Candidate) -> Timed:
    """A network on a backend, to be timed."""
    backend = candidate.backend
    # A GPU's own memory is not what the system has free; where it lacks, the run says so.
    is_systems_memory = backend.free_device_bytes() is None
    return Timed(
        name=candidate.name,
        request={
            "model": str(candidate.file),
            "backend": candidate.backend_name,
            "threads": candidate.threads,
        },
        facts=candidate.facts,
        bytes_per_pixel=backend.bytes_per_pixel if is_systems_memory else lambda: 0,
    )


def timed_classical(name: str, *, threads: int) -> Timed:
    """A classical algorithm, to be timed on `threads` processors."""
    method = CLASSICAL[name]
    return Timed(
        name=method.title,
        request={"classical": name, "threads": threads},
        facts=_facts(method, threads),
        bytes_per_pixel=lambda: BYTES_PER_PIXEL,
    )


def classical_method(name: str, *, threads: int, device: str) -> Method:
    """A classical algorithm, to be scored. Raises UserError where its library is missing."""
    method = CLASSICAL[name]
    denoise = method.open()
    facts = {**_facts(method, threads), "library": method.library(), "device": device}
    return Method(name=method.title, channels=method.channels, sigma_range=None, denoise=denoise, facts=facts)


def fitting(
    methods: Sequence[Timed], sizes: Sequence[Size], *, required: int, leave_out: Callable[[str], None]
) -> list[Timed]:
    """The first `required` methods, and of the others, smallest first, as many as fit into the memory together.

    `leave_out` is called with the name of each that does not.
    """
    free = available_bytes()
    if free is None:
        return list(methods)
    largest = max(sizes, key=lambda size: size.width * size.height)
    needed = {method.name: needed_bytes(method, largest) for method in methods}
    used = sum(needed[method.name] for method in methods[:required])
    kept = {method.name for method in methods[:required]}
    for method in sorted(methods[required:], key=lambda method: needed[method.name]):
        if used + needed[method.name] <= _RESERVE * free:
            used += needed[method.name]
            kept.add(method.name)
        else:
            leave_out(method.name)
    return [method for method in methods if method.name in kept]


def _facts(method: Classical, threads: int) -> dict[str, object]:
    return {
        "model": method.title,
        "channels": method.channels,
        # Elsewhere nothing keeps it from taking more.
        "threads": threads if hasattr(os, "sched_setaffinity") else None,
        "source": method.source,
    }

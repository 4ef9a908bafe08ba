"""The methods of a session: the models and the peers that can run here, opened; which are timed, which scored."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from ...command_line import install_advice
from ...errors import UserError
from ...runtime.memory.process_memory import available_bytes
from ...search.tasks.registry import task_names
from ..devices.environment import Machine
from ..latency.timed_method import Size, TimedMethod, needed_bytes
from ..peers.classical import CLASSICAL
from ..peers.peer_registry import PEERS
from ..quality.measure_quality import NOISY_INPUT, ScoredMethod, levels_of
from .network_files import network_files
from .open_networks import OpenNetwork, Variants, open_networks
from .peer_methods import ALL, peer_files, peer_names, scored_classical, timed_classical
from .program import Program, scored_programs

_RESERVE = 0.8
"""Of the free memory: what may be planned with."""


@dataclass(frozen=True, kw_only=True)
class SessionMethods:
    """Everything that a session measures."""

    networks: tuple[OpenNetwork, ...]
    """Models and peers with layers."""
    classical: tuple[str, ...]
    """The classical peers, by their names in CLASSICAL."""
    timed: tuple[TimedMethod, ...]
    """Both, to be timed; names are unique."""


def session_methods(
    models: Sequence[str],
    peers: str | None,
    peer_weights: Mapping[str, Path],
    *,
    sizes: Sequence[Size],
    variants: Variants,
    folder: Path,
    note: Callable[[str], None],
) -> SessionMethods:
    """Open the models, and the peers as `peer_names` reads them; files that are made for it go to `folder`.

    `note` gets a line for each peer that is left out: a classical one whose package is missing, and one of `all` that
    does not fit into the memory. Raises UserError for everything else that was asked for by name and cannot be had.
    """
    networks = open_networks(network_files(models, folder), variants, folder)
    num_models = len(networks)
    for network in networks:
        if network.caveat is not None:
            note(f"note: {network.name}: {network.caveat}")
    classical: list[str] = []
    if peers is not None:
        names = peer_names(peers, frozenset((one.manifest.channels, one.manifest.scale) for one in networks))
        files = peer_files(names, peer_weights, folder)
        taken = {network.model for network in networks}
        algorithms = [CLASSICAL[name].title for name in names if name in CLASSICAL]
        for title in (*(file.model for file in files), *algorithms):
            if title in taken:
                raise UserError(f"--peers {peers}: a model is called {title} too; rename its file")
        networks += open_networks(files, variants, folder)
        classical = [name for name in names if name in CLASSICAL and _is_installed(name, note)]
    timed = [network.timed() for network in networks]
    timed += [timed_classical(name, threads=variants.threads) for name in classical]
    if peers == ALL:
        timed = fitting(
            timed,
            sizes,
            required=num_models,
            leave_out=lambda name: note(f"note: {name} does not fit into the free memory, left out"),
        )
    kept = {method.name for method in timed}
    return SessionMethods(
        networks=tuple(network for network in networks if network.name in kept),
        classical=tuple(name for name in classical if CLASSICAL[name].title in kept),
        timed=tuple(timed),
    )


def _where(network: OpenNetwork) -> str:
    """Where a peer's weights are to be had, and how to give them."""
    for name, peer in PEERS.items():
        if peer.title == network.model and peer.weights_at is not None:
            return f"; its weights are {peer.weights_at}; give them as --peer-weights {name}=FILE.safetensors"
    return ""


def _is_installed(name: str, note: Callable[[str], None]) -> bool:
    """Whether a classical algorithm's library is there; what an optional package is for must not end a long run."""
    try:
        CLASSICAL[name].open()
    except UserError as error:
        note(f"note: {name} left out: {error}")
        return False
    return True


def fitting(
    methods: Sequence[TimedMethod], sizes: Sequence[Size], *, required: int, leave_out: Callable[[str], None]
) -> list[TimedMethod]:
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


def scored_methods(
    found: SessionMethods,
    programs: Sequence[Program],
    *,
    sigmas: Sequence[float],
    machine: Machine,
    threads: int,
    note: Callable[[str], None],
) -> list[ScoredMethod]:
    """What can be scored: the networks with trained weights whose task has a protocol, the classical peers, programs.

    `note` gets a line for each quality that will not be measured; raises UserError where none will be.
    """
    methods: list[ScoredMethod] = []
    for network in found.networks:
        scored = network.scored(machine)
        if network.manifest.weights == "random":
            told = "its latency is measured, its quality is not"
            note(f"note: {network.name} has random weights: {told}{_where(network)}")
        elif network.task not in task_names():
            note(f"note: {network.name} is for {network.task}: its latency is measured, its quality is not")
        elif not scored.takes_levels and scored.scale == 1 and find_spec("torch") is None:
            needed = f"its quality is measured where PyTorch is installed: {install_advice('search,bench,cpu')}"
            note(f"note: {network.name} is for {network.task}: {needed}")
        elif network.manifest.scale > 1 and network.manifest.conditioned:
            note(f"note: {network.name} enlarges and takes a noise level: its latency is measured, its quality is not")
        else:
            methods.append(scored)
    methods += [scored_classical(name, threads=threads, device=machine.cpu) for name in found.classical]
    methods += scored_programs(programs, machine, [NOISY_INPUT, *(item.name for item in found.timed)])
    for method in methods:
        missing = [f"{sigma:g}" for sigma in sigmas if sigma not in levels_of(method, sigmas)]
        if missing and method.takes_levels and method.sigma_range is not None:
            low, high = method.sigma_range
            note(f"note: {method.name} is for sigma {low:g}:{high:g}; not measured at {', '.join(missing)}")
    if not any(not method.takes_levels or levels_of(method, sigmas) for method in methods):
        levels = ", ".join(f"{sigma:g}" for sigma in sigmas)
        raise UserError(
            f"--sigma {levels}: no model has trained weights for any of these; leave --data out for latency alone"
        )
    return methods

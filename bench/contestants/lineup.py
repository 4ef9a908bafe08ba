"""Who takes part in a session: the models and the peers that can run here, opened."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ...errors import UserError
from ..latency.latency import Size, Timed
from .candidates import Candidate, Variants, model_sources, open_candidates
from .classical import CLASSICAL
from .contestants import ALL, fitting, peer_names, peer_sources, timed_candidate, timed_classical


@dataclass(frozen=True, kw_only=True)
class Lineup:
    """Everything that a session measures."""

    candidates: tuple[Candidate, ...]
    """The networks."""
    classical: tuple[str, ...]
    """The classical algorithms, by their names in CLASSICAL."""
    timed: tuple[Timed, ...]
    """Both, to be timed; names are unique."""


def lineup(
    models: Sequence[str],
    peers: str | None,
    peer_weights: Mapping[str, Path],
    *,
    sizes: Sequence[Size],
    variants: Variants,
    folder: Path,
    note: Callable[[str], None],
) -> Lineup:
    """Open the models, and the peers as `peer_names` reads them; files that are made for it go to `folder`.

    `note` gets a line for each peer of `all` that is left out: what cannot run here, or does not fit into the memory.
    Raises UserError for everything that was asked for by name and cannot be had.
    """
    candidates = open_candidates(model_sources(models, folder), variants, folder)
    num_models = len(candidates)
    for candidate in candidates:
        if candidate.caveat is not None:
            note(f"note: {candidate.name}: {candidate.caveat}")
    classical: list[str] = []
    if peers is not None:
        names = peer_names(peers, frozenset(candidate.manifest.channels for candidate in candidates))
        sources = peer_sources(names, peer_weights, folder)
        taken = {candidate.model for candidate in candidates}
        algorithms = [CLASSICAL[name].title for name in names if name in CLASSICAL]
        for title in (*(source.model for source in sources), *algorithms):
            if title in taken:
                raise UserError(f"--peers {peers}: a model is called {title} too; rename its file")
        candidates += open_candidates(sources, variants, folder)
        classical = [name for name in names if name in CLASSICAL and _is_installed(name, peers, note)]
    timed = [timed_candidate(candidate) for candidate in candidates]
    timed += [timed_classical(name, threads=variants.threads) for name in classical]
    if peers == ALL:
        timed = fitting(
            timed,
            sizes,
            required=num_models,
            leave_out=lambda name: note(f"note: {name} does not fit into the free memory, left out"),
        )
    kept = {method.name for method in timed}
    return Lineup(
        candidates=tuple(candidate for candidate in candidates if candidate.name in kept),
        classical=tuple(name for name in classical if CLASSICAL[name].title in kept),
        timed=tuple(timed),
    )


def _is_installed(name: str, peers: str, note: Callable[[str], None]) -> bool:
    """Whether a classical algorithm's library is there; UserError where it was asked for by its name."""
    try:
        CLASSICAL[name].open()
    except UserError as error:
        if peers != ALL:
            raise UserError(f"--peers {name}: {error}") from error
        note(f"note: {name} left out: {error}")
        return False
    return True

"""The candidates of a search as files, so that it can be gone on with: who they are, and what the search was."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ...atomic_files import written_whole
from ...errors import UserError
from ..architecture_search.found_genotype import found_genotype
from ..architecture_search.search_request import SearchRequest
from ..genotype import read_genotype, write_genotype
from .candidate_files import CandidateFiles
from .candidate_training import Trainer
from .candidates import Candidate

_FORMAT = "hinas-candidates"


def search_identity(request: SearchRequest, trainer: Trainer) -> Mapping[str, Any]:
    """What decides a comparison besides the images, as plain values: a search is gone on with by the same one only."""
    latency = request.latency
    return {
        "format": _FORMAT,
        "method": request.method,
        "space": json.loads(request.space.to_json()),
        "band": None if latency is None or latency.band_ms is None else list(latency.band_ms),
        "cases": [case.name for case in trainer.task.cases],
        "seed": request.seed,
        "precision": trainer.arithmetic,
    }


def keep_candidates(
    candidates: Sequence[Candidate], request: SearchRequest, trainer: Trainer, files: CandidateFiles
) -> None:
    """Write every candidate's genotype, and the list of them last."""
    files.make_folder()
    for candidate in candidates:
        genotype = found_genotype(request, candidate.genotype.network, None, images=trainer.images)
        write_genotype(genotype, files.genotype(candidate.number))
    predicted = {"predicted_ms": [candidate.predicted_ms for candidate in candidates]}
    with written_whole(files.list_of_candidates) as temporary:
        document = {**search_identity(request, trainer), **predicted}
        temporary.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def kept_candidates(request: SearchRequest, trainer: Trainer, files: CandidateFiles) -> Sequence[Candidate]:
    """Those of the search that is gone on with; UserError where it was another one."""
    found = _read(files.list_of_candidates)
    for name, now in search_identity(request, trainer).items():
        if found.get(name) != now:
            raise UserError(f"{files.list_of_candidates}: a search with another {name}; choose another --out")
    return [
        Candidate(
            number=number,
            genotype=read_genotype(files.genotype(number)),
            predicted_ms=predicted,
            inherited=files.inherited(number) if files.inherited(number).exists() else None,
        )
        for number, predicted in enumerate(found["predicted_ms"], 1)
    ]


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise UserError(f"{path}: cannot be read ({error}); choose another --out") from error
    if not isinstance(found, dict) or found.get("format") != _FORMAT:
        raise UserError(f"{path}: not the candidates of a search; choose another --out")
    return found

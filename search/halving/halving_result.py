"""What a comparison leaves: the best network with its weights, and pictures."""

import shutil
from collections.abc import Sequence

from ...atomic_files import written_whole
from ...errors import UserError
from ..architecture_search.drawings.genotype_drawing import draw_genotype
from ..architecture_search.found_genotype import found_genotype
from ..architecture_search.search_request import SearchRequest
from ..genotype import Score, write_genotype
from .candidate_files import CandidateFiles
from .candidate_training import Trainer
from .halving_figure import draw_halving
from .rank_agreement import rank_agreement
from .standings import Standing, leader


def write_result(request: SearchRequest, standings: Sequence[Standing], trainer: Trainer, files: CandidateFiles) -> str:
    """Write genotype.json, weights.safetensors and pictures; returns a line that says what was found.

    UserError where every training has diverged. Where only those of the last rounds have, the best network of the round
    before counts, with the weights that it had then.
    """
    iterations = trainer.schedule.iterations
    finished = max(len(standing.scores) for standing in standings)
    if not finished:
        return f"{request.out}: no network has been scored yet; go on with --resume"
    best = leader(standings)
    last = None if best is None else best.last_finite_round
    if best is None or last is None:
        raise UserError(f"{request.out}: every training diverged; lower --set halving.learning_rate")
    agreement = rank_agreement(standings, iterations)
    draw_halving(standings, iterations, agreement, request.out / "halving")
    candidate, score = best.candidate, best.scores[last]
    path = request.out / "genotype.json"
    reached = Score(psnr_db=round(score.psnr_db, 4), ssim=round(score.ssim, 5))
    genotype = found_genotype(request, candidate.genotype.network, reached, images=trainer.images)
    write_genotype(genotype, path)
    draw_genotype(genotype, request.out / "genotype")
    with written_whole(request.out / "weights.safetensors") as temporary:
        shutil.copyfile(files.weights(candidate.number), temporary)
    predicted = "" if candidate.predicted_ms is None else f", predicted {candidate.predicted_ms:.1f} ms"
    tau = "" if agreement is None else f"; Kendall's tau of the rounds {agreement.kendalls_tau:.2f}"
    diverged = "; every later training diverged: lower --set halving.learning_rate" if finished > last + 1 else ""
    more = "" if finished == len(iterations) else f" (round {finished} of {len(iterations)}; go on with --resume)"
    return (
        f"{path}: network {candidate.number} of {len(standings)}, {score.psnr_db:.2f} dB on V after "
        f"{iterations[last]} iterations{predicted}{tau}{diverged}{more}"
    )

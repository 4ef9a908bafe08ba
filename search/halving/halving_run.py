"""One run of `hinas-search --method halving`: images in; genotype, weights, scores and pictures out."""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace

import torch

from ...errors import UserError
from ..architecture_search.search_request import SearchRequest
from ..learning.device import chosen_device, denormals_as_zero
from ..learning.distributed import Ranks, joined_ranks, own_device
from ..runs.run_folder import prepared_run_folder
from .candidate_files import CandidateFiles
from .candidate_training import Trainer
from .candidates import Candidate, drawn_candidates, latency_band
from .comparison import compare
from .halving_result import write_result
from .kept_candidates import keep_candidates, kept_candidates
from .training_data import trainer_of


def run_halving(request: SearchRequest) -> str:
    """Compare networks (or go on comparing) and write what was found to `request.out`.

    Under torchrun every process trains networks of its own and the first one writes. Returns a line that says what was
    found, empty in the other processes. Raises UserError for anything a person can mend.
    """
    device = own_device(chosen_device(request.computing.device))
    with joined_ranks(device) as ranks, ExitStack() as until_end:
        return _run(request if ranks.is_first else replace(request, quiet=True), device, ranks, until_end)


@denormals_as_zero()
def _run(request: SearchRequest, device: torch.device, ranks: Ranks, until_end: ExitStack) -> str:
    if request.computing.threads is not None:
        torch.set_num_threads(request.computing.threads)
    files = CandidateFiles(request.out)
    schedule = request.space.halving
    trainer = trainer_of(request, schedule, device, largest_crop=schedule.crop)
    is_there = ranks.agreed(files.list_of_candidates.exists())
    drawn = () if is_there or request.resume else _drawn(request, trainer)
    prepared_run_folder(
        request.out,
        "search",
        resume=request.resume,
        ranks=ranks,
        until_end=until_end,
        state=files.list_of_candidates.name,
    )
    if is_there:
        candidates = kept_candidates(request, trainer, files)
    else:
        candidates = drawn
        if ranks.is_first:
            keep_candidates(candidates, request, trainer, files)
    standings = compare(
        candidates,
        trainer,
        files,
        ranks,
        max_seconds=request.max_seconds,
        is_quiet=request.quiet,
        log_format=request.log,
    )
    return write_result(request, standings, trainer, files) if ranks.is_first else ""


def _drawn(request: SearchRequest, trainer: Trainer) -> Sequence[Candidate]:
    schedule = trainer.schedule
    band = latency_band(request)
    drawn = drawn_candidates(request.space, schedule.candidates, band=band, seed=request.seed)
    stride = max(one.genotype.network_input.picture_multiple for one in drawn)
    if schedule.crop % stride:
        raise UserError(f"--crop: got {schedule.crop}, expected a multiple of {stride}, a network's stride")
    if schedule.validation_side < stride:
        raise UserError(f"--set halving.validation_side: got {schedule.validation_side}, expected at least {stride}")
    return drawn

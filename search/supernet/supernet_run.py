"""One run of `hinas-search --method supernet`: shared kernels, an evolution over them, the best few trained on."""

import time
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import torch

from ...errors import UserError
from ...stop_signals import STOPS
from ..architecture_search.search_request import SearchRequest
from ..halving.candidate_files import CandidateFiles
from ..halving.candidate_training import Trainer
from ..halving.comparison import compare
from ..halving.halving_result import write_result
from ..halving.kept_candidates import keep_candidates, kept_candidates, search_identity
from ..halving.training_data import trainer_of
from ..learning.device import chosen_device, denormals_as_zero
from ..learning.distributed import Ranks, check_batch, joined_ranks, own_device
from ..learning.losses import check_pixel_loss
from ..runs.checkpoint import load_checkpoint, save_checkpoint
from ..runs.progress import Progress
from ..runs.run_folder import prepared_run_folder
from ..runs.run_log import run_log
from ..runs.step_signals import signals_wait_for_steps
from ..spaces.registry import space_named
from .finalists import chosen_finalists
from .supernet_training import SupernetState, new_state, restore_state, state_content, train_supernet

_SAVE_EVERY_SECONDS = 120.0


def run_supernet_search(request: SearchRequest) -> str:
    """Search (or go on searching) and write what was found to `request.out`.

    Under torchrun the processes train the shared kernels together and the finalists each on its own; the first one
    writes. Returns a line that says what was found, empty in the other processes. Raises UserError for anything a
    person can mend.
    """
    device = own_device(chosen_device(request.computing.device))
    with joined_ranks(device) as ranks, ExitStack() as until_end:
        return _run(request if ranks.is_first else replace(request, quiet=True), device, ranks, until_end)


@denormals_as_zero()
def _run(request: SearchRequest, device: torch.device, ranks: Ranks, until_end: ExitStack) -> str:
    started = time.monotonic()
    schedule = request.space.supernet
    check_batch(schedule.batch, ranks)
    if request.computing.threads is not None:
        torch.set_num_threads(request.computing.threads)
    files = CandidateFiles(request.out)
    final = request.space.halving.model_copy(update={"candidates": schedule.finalists})
    trainer = trainer_of(request, final, device, largest_crop=max(schedule.crop, final.crop))
    are_chosen = ranks.agreed(files.list_of_candidates.exists())
    if are_chosen and request.resume:
        prepared_run_folder(
            request.out,
            "search",
            resume=True,
            ranks=ranks,
            until_end=until_end,
            state=files.list_of_candidates.name,
        )
        candidates = kept_candidates(request, trainer, files)
    else:
        state = _trained_supernet(request, trainer, ranks, device, until_end)
        if state.iteration < schedule.iterations:
            reached = f"step {state.iteration} of {schedule.iterations} of the shared kernels; go on with --resume"
            return f"{request.out}: {reached}" if ranks.is_first else ""
        candidates = chosen_finalists(request, state.supernet, trainer, files, ranks)
        if ranks.is_first:
            keep_candidates(candidates, request, trainer, files)
            files.scores_of_evolution.unlink(missing_ok=True)
        ranks.agreed(True)
    left_s = request.max_seconds - (time.monotonic() - started)
    standings = compare(
        candidates,
        trainer,
        files,
        ranks,
        max_seconds=left_s,
        is_quiet=request.quiet,
        log_format=request.log,
    )
    return write_result(request, standings, trainer, files) if ranks.is_first else ""


def _trained_supernet(
    request: SearchRequest, trainer: Trainer, ranks: Ranks, device: torch.device, until_end: ExitStack
) -> SupernetState:
    schedule = request.space.supernet
    torch.manual_seed(request.seed)
    supernet = space_named(request.space.space).single_path_supernet(request.space.settings, request.space.task)
    stride = request.space.task.network_input(alignment=supernet.stride).picture_multiple
    for name, crop in {"--crop": schedule.crop, "--set halving.crop": trainer.schedule.crop}.items():
        if crop % stride:
            raise UserError(f"{name}: got {crop}, expected a multiple of {stride}, the largest network's stride")
    check_pixel_loss(schedule.pixel_loss, trainer.task.level_range)
    state = new_state(supernet, schedule, seed=request.seed, device=device)
    identity = dict(search_identity(request, trainer))
    checkpoint = prepared_run_folder(request.out, "search", resume=request.resume, ranks=ranks, until_end=until_end)
    if request.resume:
        content = load_checkpoint(checkpoint, device=device)
        _check_resumable(content, identity, checkpoint)
        restore_state(state, content)
    elif ranks.is_first:
        # Those of other kernels, where a person has deleted a checkpoint.
        CandidateFiles(request.out).scores_of_evolution.unlink(missing_ok=True)

    kept: int | None = None

    def save() -> None:
        nonlocal kept
        if ranks.is_first:
            save_checkpoint(state_content(state, identity), checkpoint)
            kept = state.iteration

    log_folder = request.out / "tensorboard" / "shared-kernels"
    with (
        Progress(unit="step", total=schedule.iterations, done=state.iteration, is_quiet=request.quiet) as progress,
        run_log(request.log if ranks.is_first else None, log_folder, done=state.iteration) as log,
    ):

        def step_done(loss: float) -> None:
            progress.tell(f"loss {loss:.5f}")
            progress.step()
            log(state.iteration, {"loss": loss})

        try:
            with signals_wait_for_steps() as signals:
                train_supernet(
                    state,
                    schedule,
                    task=trainer.task,
                    patches=trainer.patches,
                    arithmetic=trainer.arithmetic,
                    ranks=ranks,
                    max_seconds=request.max_seconds,
                    save=save,
                    save_every_seconds=_SAVE_EVERY_SECONDS,
                    step_done=step_done,
                    after_step=lambda: signals.step_ended(save),
                )
        except FloatingPointError as error:
            raise UserError(f"{error}; lower --set supernet.learning_rate and search again") from error
        except STOPS:
            if kept is not None:
                progress.note(f"{checkpoint}: step {kept} is kept; go on with --resume")
            raise
    return state


def _check_resumable(content: dict[str, object], identity: dict[str, object], path: Path) -> None:
    if content.get("format") != "hinas-supernet":
        raise UserError(f"{path}: not a checkpoint of --method supernet")
    then = content["identity"]
    assert isinstance(then, dict)
    for name, now in identity.items():
        if then.get(name) != now:
            raise UserError(f"{path}: a search with another {name}; choose another --out")

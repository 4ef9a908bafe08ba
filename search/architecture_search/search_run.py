"""One run of hinas-search: images in; genotype, pictures, history and checkpoint out."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

import torch
from tqdm import tqdm

from ...errors import UserError
from ..genotype import Genotype, Provenance, Score, Task, write_genotype
from ..images.splits import split_images
from ..images.training_images import PatchSource, load_images
from ..learning.checkpoint import load_checkpoint, save_checkpoint
from ..learning.device import chosen_device, chosen_precision
from ..learning.distributed import Ranks, check_batch, joined_ranks, own_device
from ..spaces.interface import SpaceDescription
from ..spaces.registry import build_supernet, network_description
from .genotype_drawing import draw_genotype
from .latency_table import read_latency_table
from .search_curves import draw_search_curves
from .search_loop import Splits, search
from .search_space import SearchSpace
from .search_state import (
    Found,
    KernelOptimizer,
    LatencyGoal,
    Method,
    SearchSettings,
    SearchState,
    new_search,
    restore_search,
    search_content,
    write_search_history,
)


@dataclass(frozen=True, kw_only=True)
class SearchRequest:
    """What a person asks of hinas-search; paths as given, sigmas in grey levels."""

    space: SearchSpace
    images: Path
    out: Path
    command: str
    sigmas: tuple[float, ...]
    epochs: int
    steps: int | None
    batch: int
    crop: int
    warm_up_epochs: int
    validate_from_epoch: int
    ssim_weight: float
    architecture_learning_rate: float
    architecture_weight_decay: float
    final_temperature: float
    kernel_optimizer: KernelOptimizer
    kernel_learning_rate: float
    method: Method
    samples: int
    latency_table: Path | None
    latency_weight: float
    latency_target_ms: float | None
    tile: int | None
    device: str
    precision: str
    threads: int | None
    compiled: bool | None
    seed: int
    perturbed: bool
    resume: bool
    max_minutes: float | None
    quiet: bool


def run_search(request: SearchRequest) -> str:
    """Search (or go on searching) and write genotype, pictures, history and checkpoint to `request.out`.

    Under torchrun the processes search together and the first one writes. Returns a line that says what was found,
    empty in the other processes. Raises UserError for anything a person can mend.
    """
    device = own_device(chosen_device(request.device))
    with joined_ranks(device) as ranks:
        return _run(request if ranks.is_first else replace(request, quiet=True), device, ranks)


def _run(request: SearchRequest, device: torch.device, ranks: Ranks) -> str:
    space = request.space
    check_batch(request.batch, ranks)
    if request.threads is not None:
        torch.set_num_threads(request.threads)
    settings = _settings(request, device)
    latency = _latency_goal(request)
    loaded = load_images(request.images, channels=space.channels, smallest_side=request.crop)
    if not request.quiet:
        for warning in loaded.warnings:
            print(f"warning: {warning}", file=sys.stderr)
    torch.manual_seed(request.seed)
    supernet = build_supernet(space.space, space.settings, space.channels)
    if request.crop % supernet.stride:
        raise UserError(f"--crop: got {request.crop}, expected a multiple of {supernet.stride}, the network's stride")
    if latency is not None:
        # A price that is missing is found out here, not after the kernels' warm-up.
        for block in supernet.expected_blocks():
            latency.table.price_ms(block)
    kernels, architecture, validation = split_images(loaded.images, seed=request.seed)
    steps = request.steps or max(1, len(kernels) // request.batch)
    splits = Splits(
        kernels=PatchSource(kernels, device=device),
        architecture=PatchSource(architecture, device=device),
        validation=PatchSource(validation, device=device),
        steps_per_epoch=steps,
    )
    try:
        request.out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"--out {request.out}: cannot make this folder ({error.strerror})") from error
    checkpoint = request.out / "checkpoint.pt"
    if checkpoint.exists() and not request.resume:
        raise UserError(f"{checkpoint}: a search is already there; go on with --resume or choose another --out")
    compiled = device.type == "cuda" if request.compiled is None else request.compiled
    state = new_search(supernet, settings, device=device, compiled=compiled)
    if request.resume:
        content = load_checkpoint(checkpoint, device=device)
        _check_resumable(content, settings, space, checkpoint)
        restore_search(state, content, lambda document: network_description(space.space, document))

    def save() -> None:
        if not ranks.is_first:
            return
        save_checkpoint(search_content(state, settings, space.to_json()), checkpoint)
        write_search_history(state.history, request.out / "history.csv")

    total = settings.epochs * steps
    with tqdm(
        total=total,
        initial=state.epoch * steps,
        unit="step",
        disable=request.quiet or not sys.stderr.isatty(),
    ) as bar:

        def report(current: SearchState) -> None:
            if not request.quiet:
                tqdm.write(_epoch_line(current), file=sys.stderr)

        try:
            search(
                state,
                settings,
                splits=splits,
                latency=latency,
                ranks=ranks,
                max_seconds=float("inf") if request.max_minutes is None else 60 * request.max_minutes,
                save=save,
                report=report,
                step_done=lambda: (bar.update(), None)[1],
            )
        except FloatingPointError as error:
            raise UserError(f"{error}; the last checkpoint is kept: search again with another --seed") from error
    return "" if not ranks.is_first else _write_result(request, state, settings, images=len(loaded.images))


def _settings(request: SearchRequest, device: torch.device) -> SearchSettings:
    return SearchSettings(
        sigmas=request.sigmas,
        epochs=request.epochs,
        batch=request.batch,
        crop=request.crop,
        warm_up_epochs=request.warm_up_epochs,
        validate_from_epoch=request.validate_from_epoch,
        ssim_weight=request.ssim_weight,
        architecture_learning_rate=request.architecture_learning_rate,
        architecture_weight_decay=request.architecture_weight_decay,
        final_temperature=request.final_temperature,
        kernel_optimizer=request.kernel_optimizer,
        kernel_learning_rate=request.kernel_learning_rate,
        method=request.method,
        samples=request.samples,
        seed=request.seed,
        precision=chosen_precision(request.precision, device),
    )


def _latency_goal(request: SearchRequest) -> LatencyGoal | None:
    if request.latency_table is None:
        if request.latency_target_ms is not None or request.latency_weight or request.tile is not None:
            raise UserError("--latency-weight, --latency-target-ms and --tile need prices; give --latency-table TABLE")
        return None
    table = read_latency_table(request.latency_table)
    if table.space != request.space.space:
        raise UserError(f"{request.latency_table}: prices of space {table.space}, expected {request.space.space}")
    if request.latency_target_ms is not None and not request.latency_weight:
        raise UserError("--latency-target-ms needs a weight that pulls towards it; give --latency-weight, such as 0.1")
    return LatencyGoal(
        table=table, weight=request.latency_weight, target_ms=request.latency_target_ms, tile=request.tile
    )


def _check_resumable(content: dict[str, Any], settings: SearchSettings, space: SearchSpace, path: Path) -> None:
    if content.get("format") != "hinas-search":
        raise UserError(f"{path}: not a checkpoint of hinas-search")
    if content["identity"] != space.to_json():
        raise UserError(f"{path}: a search of another space; choose another --out")
    # The latency goal may change: several weights can go on from one warmed-up checkpoint.
    for name in (item.name for item in fields(settings)):
        now, then = getattr(settings, name), content["settings"].get(name)
        then = tuple(then) if isinstance(then, list) else then
        if now != then:
            raise UserError(f"{path}: searched with {name.replace('_', ' ')} {then}, asked to go on with {now}")


def _write_result(request: SearchRequest, state: SearchState, settings: SearchSettings, *, images: int) -> str:
    if state.history:
        draw_search_curves(state.history, request.out / "curves")
    found = state.best
    if found is None and settings.method == "gradient" and state.epoch:
        found = Found(
            description=state.supernet.description(), epoch=state.epoch, psnr_db=0.0, ssim=0.0, latency_ms=None
        )
        score = None
    else:
        score = None if found is None else Score(psnr_db=round(found.psnr_db, 4), ssim=round(found.ssim, 5))
    if found is None:
        return f"{request.out}: epoch {state.epoch} of {settings.epochs}; go on with --resume"
    path = request.out / "genotype.json"
    write_genotype(_genotype(request, found.description, score, images), path)
    draw_genotype(_genotype(request, found.description, score, images), request.out / "genotype")
    if request.perturbed:
        for name, changed in _perturbed(request, state, found.description).items():
            write_genotype(_genotype(request, changed, None, images), request.out / f"genotype-{name}.json")
    more = "" if state.epoch >= settings.epochs else f" (epoch {state.epoch} of {settings.epochs}; go on with --resume)"
    reached = "" if score is None else f", {score.psnr_db:.2f} dB and SSIM {score.ssim:.4f} on V with shared kernels"
    expected = "" if found.latency_ms is None else f", predicted {found.latency_ms:.1f} ms"
    return f"{path}: found in epoch {found.epoch}{reached}{expected}{more}"


def _perturbed(
    request: SearchRequest, state: SearchState, description: SpaceDescription
) -> Mapping[str, SpaceDescription]:
    return state.supernet.perturbed(description, Random(request.seed))


def _genotype(request: SearchRequest, description: SpaceDescription, score: Score | None, images: int) -> Genotype:
    return Genotype(
        space=request.space.space,
        task=Task(channels=request.space.channels),
        network=description,
        provenance=Provenance(
            created=datetime.now(UTC).date().isoformat(),
            command=request.command,
            seed=request.seed,
            images=images,
            score=score,
        ),
    )


def _epoch_line(state: SearchState) -> str:
    row = state.history[-1]
    parts = [f"epoch {row.epoch}: kernels {row.kernel_loss:.5f}"]
    if row.architecture_loss is not None:
        parts.append(f"architecture {row.architecture_loss:.5f}")
    parts += [f"entropy of {name} {bits:.3f} bits" for name, bits in row.entropies.items()]
    if row.latency_ms is not None:
        parts.append(f"expected {row.latency_ms:.1f} ms")
    if row.psnr_db is not None:
        parts.append(f"V {row.psnr_db:.2f} dB, SSIM {row.ssim:.4f}")
    return ", ".join(parts)

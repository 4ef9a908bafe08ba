"""One run of hinas-train: genotype and images in; weights, history and checkpoint out."""

import csv
import sys
from dataclasses import asdict, dataclass, fields, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from ... import __version__
from ...atomic_files import written_whole
from ...errors import UserError
from ..genotype import Genotype, read_genotype, write_genotype
from ..images.training_images import PatchSource, load_images
from ..learning.checkpoint import load_checkpoint, save_checkpoint
from ..learning.device import chosen_device, chosen_precision
from ..learning.distributed import Ranks, check_batch, joined_ranks, own_device
from ..learning.losses import PixelLoss
from ..learning.metrics import ValidationScore
from ..learning.weights import load_weights, save_weights
from ..spaces.registry import build_network, geometry
from .train_loop import (
    HistoryRow,
    OptimizerName,
    Schedule,
    TrainingSettings,
    TrainingState,
    new_state,
    restore_state,
    state_content,
    train,
)

SAVE_EVERY_SECONDS = 120.0


@dataclass(frozen=True, kw_only=True)
class TrainRequest:
    """What a person asks of hinas-train; paths as given, sigma in grey levels."""

    genotype: Path
    images: Path
    out: Path
    sigma_range: tuple[float, float]
    iterations: int
    batch: int
    crop: int
    optimizer: OptimizerName
    schedule: Schedule
    learning_rate: float
    pixel_loss: PixelLoss
    ssim_weight: float
    quantised_share: float
    validation: Path | None
    validation_every: int
    device: str
    precision: str
    threads: int | None
    compiled: bool | None
    seed: int
    start_from: Path | None
    """Weights to begin with, of the same genotype; None: random ones."""
    resume: bool
    max_minutes: float | None
    quiet: bool


def run_training(request: TrainRequest) -> str:
    """Train (or go on training) and write `weights.safetensors`, `history.csv` and `checkpoint.pt` to `request.out`.

    Under torchrun the processes learn together and the first one writes. Returns a line that says what was reached,
    empty in the other processes. Raises UserError for anything a person can mend.
    """
    device = own_device(chosen_device(request.device))
    with joined_ranks(device) as ranks:
        summary = _run(request if ranks.is_first else replace(request, quiet=True), device, ranks)
        return summary if ranks.is_first else ""


def _run(request: TrainRequest, device: torch.device, ranks: Ranks) -> str:
    genotype = read_genotype(request.genotype)
    channels = genotype.task.channels
    check_batch(request.batch, ranks)
    if request.threads is not None:
        torch.set_num_threads(request.threads)
    settings = _settings(request, device)
    torch.manual_seed(request.seed)
    network = build_network(genotype.space, genotype.network, channels)
    stride = geometry(genotype.space, genotype.network).alignment
    conditioned = genotype.network.conditioning_range is not None
    _check_request(request, genotype, stride=stride)
    earlier = None
    if request.start_from is not None:
        earlier = load_weights(network, request.start_from, identity=genotype.identity)

    loaded = load_images(request.images, channels=channels, smallest_side=request.crop)
    warnings = list(loaded.warnings)
    if request.validation is None:
        training_images, validation_images = _held_out(loaded.images)
    else:
        validation = load_images(request.validation, channels=channels, smallest_side=16)
        warnings += validation.warnings
        training_images, validation_images = loaded.images, validation.images
    if not request.quiet:
        for warning in warnings:
            print(f"warning: {warning}", file=sys.stderr)

    try:
        request.out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"--out {request.out}: cannot make this folder ({error.strerror})") from error
    checkpoint = request.out / "checkpoint.pt"
    if checkpoint.exists() and not request.resume:
        raise UserError(f"{checkpoint}: a training is already there; go on with --resume or choose another --out")
    state = new_state(network, settings, device=device)
    state.started_from = earlier
    if request.resume:
        content = load_checkpoint(checkpoint, device=device)
        _check_resumable(content, settings, genotype, checkpoint)
        restore_state(state, content)
    if ranks.is_first:
        write_genotype(genotype, request.out / "genotype.json")

    def save() -> None:
        save_checkpoint(state_content(state, settings, genotype.identity), checkpoint)
        _write_history(state.history, request.out / "history.csv")
        save_weights(
            state.average,
            request.out / "weights.safetensors",
            identity=genotype.identity,
            training=_record(state, settings, images=len(training_images), device=device),
        )

    first = state.iteration
    with tqdm(
        total=settings.iterations, initial=first, unit="it", disable=request.quiet or not sys.stderr.isatty()
    ) as bar:

        def report(current: TrainingState, loss: float, score: ValidationScore | None) -> None:
            bar.update(current.iteration - bar.n)
            bar.set_postfix_str(f"loss {loss:.4f}")
            if score is not None and not request.quiet:
                tqdm.write(_score_line(current, loss, score), file=sys.stderr)

        try:
            train(
                state,
                settings,
                patches=PatchSource(training_images, device=device),
                validation_images=validation_images,
                stride=stride,
                conditioned=conditioned,
                compiled=device.type == "cuda" if request.compiled is None else request.compiled,
                ranks=ranks,
                max_seconds=float("inf") if request.max_minutes is None else 60 * request.max_minutes,
                save=save,
                save_every_seconds=SAVE_EVERY_SECONDS,
                report=report,
            )
        except FloatingPointError as error:
            raise UserError(f"{error}; the last checkpoint is kept: lower --learning-rate and train again") from error
        except KeyboardInterrupt:
            if ranks.is_first:
                save()
            raise
    return _summary(state, settings, request.out)


def _settings(request: TrainRequest, device: torch.device) -> TrainingSettings:
    return TrainingSettings(
        sigma_range=request.sigma_range,
        iterations=request.iterations,
        batch=request.batch,
        crop=request.crop,
        optimizer=request.optimizer,
        learning_rate=request.learning_rate,
        schedule=request.schedule,
        warmup=min(500, max(1, request.iterations // 20)),
        pixel_loss=request.pixel_loss,
        ssim_weight=request.ssim_weight,
        quantised_share=request.quantised_share,
        seed=request.seed,
        precision=chosen_precision(request.precision, device),
        validation_every=request.validation_every,
    )


def _check_request(request: TrainRequest, genotype: Genotype, *, stride: int) -> None:
    if request.resume and request.start_from is not None:
        raise UserError("--resume goes on from the checkpoint in --out, --start-from begins anew: give one of them")
    if request.crop % stride:
        raise UserError(f"--crop: got {request.crop}, expected a multiple of {stride}, the network's stride")
    allowed = genotype.network.conditioning_range
    low, high = request.sigma_range
    if allowed is None and low < high:
        raise UserError(
            f"--sigma: got {low:g}:{high:g}, but {request.genotype} is not conditioned on sigma; give one level"
        )
    if allowed is not None and not (allowed[0] <= low and high <= allowed[1]):
        raise UserError(
            f"--sigma: got {low:g}:{high:g}, but {request.genotype} is conditioned on {allowed[0]:g}:{allowed[1]:g}"
        )


def _check_resumable(content: dict, settings: TrainingSettings, genotype: Genotype, path: Path) -> None:
    if content.get("format") != "hinas-training":
        raise UserError(f"{path}: not a checkpoint of hinas-train")
    if content["genotype"] != genotype.identity:
        raise UserError(
            f"{path}: a checkpoint of genotype {content['genotype']}, not of {genotype.identity}; choose another --out"
        )
    # How long, how fast and how often to look may change between runs; history.csv keeps the learning rates used.
    free = {"iterations", "learning_rate", "warmup", "schedule", "validation_every", "log_every"}
    for name in (item.name for item in fields(settings) if item.name not in free):
        now, then = getattr(settings, name), content["settings"].get(name)
        then = tuple(then) if isinstance(then, list) else then
        if now != then:
            raise UserError(f"{path}: trained with {name.replace('_', ' ')} {then}, asked to go on with {now}")


def _held_out(images: tuple[np.ndarray, ...]) -> tuple[tuple[np.ndarray, ...], tuple[np.ndarray, ...]]:
    """Every 50th image validates (2 %, as the papers' V); with under 10 images the first one does both."""
    if len(images) < 10:
        return images, images[:1]
    kept = tuple(image for index, image in enumerate(images) if index % 50 != 25 % len(images))
    held = tuple(image for index, image in enumerate(images) if index % 50 == 25 % len(images))
    return (kept, held) if held else (images[1:], images[:1])


def _write_history(history: list[HistoryRow], path: Path) -> None:
    with written_whole(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, fieldnames=[item.name for item in fields(HistoryRow)])
        writer.writeheader()
        writer.writerows(asdict(row) for row in history)


def _record(state: TrainingState, settings: TrainingSettings, *, images: int, device: torch.device) -> dict:
    """What a model file says of its training."""
    validated = [row for row in state.history if row.psnr_db is not None]
    record = {
        "hinas": __version__,
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu",
        "images": images,
        "iterations_done": state.iteration,
        "seconds": round(state.seconds),
        "settings": asdict(settings),
        "learning_curve": [[row.iteration, row.learning_rate, round(row.psnr_db or 0, 3)] for row in validated],
    }
    if state.started_from is not None:
        record["started_from"] = state.started_from
    if validated:
        record["validation"] = {
            "protocol": "standard, un-quantised noise, held-out training images, mean over sigmas",
            "psnr_db": round(validated[-1].psnr_db or 0, 3),
            "ssim": round(validated[-1].ssim or 0, 4),
        }
    return record


def _score_line(state: TrainingState, loss: float, score: ValidationScore) -> str:
    levels = ", ".join(f"{psnr:.2f} dB at sigma {sigma:g}" for sigma, psnr in score.psnr_db_by_sigma.items())
    return f"iteration {state.iteration}: loss {loss:.5f}, validation {levels}, SSIM {score.ssim:.4f}"


def _summary(state: TrainingState, settings: TrainingSettings, out: Path) -> str:
    last = state.history[-1] if state.history else None
    score = f", validation {last.psnr_db:.2f} dB" if last and last.psnr_db is not None else ""
    more = "" if state.iteration >= settings.iterations else "; go on with --resume"
    return f"{out / 'weights.safetensors'}: {state.iteration} of {settings.iterations} iterations{score}{more}"

"""The command `hinas-train`: parse, call, print."""

import math
from pathlib import Path
from typing import Annotated

import typer

from ..command_line import require_libraries, run_command
from .bundled_genotypes import genotype_file
from .learning.choices import PixelLoss, RateCurve, TrainingOptimizer
from .options import (
    Compile,
    ConvolutionsChoice,
    Device,
    Log,
    OutFolder,
    Precision,
    Quiet,
    Resume,
    Seed,
    Threads,
    level_range_from_text,
)
from .training.training_settings import USUAL_TEACHER_SHARE

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)


@app.command()
def train(
    genotype: Annotated[
        Path, typer.Argument(help="The genotype.json of the network, or a bundled name.", show_default=False)
    ],
    images: Annotated[Path, typer.Argument(help="A folder of clean images.", show_default=False)],
    out: OutFolder,
    sigma: Annotated[
        str | None,
        typer.Option(help="Noise in grey levels: one level, 30, or a range. Default: the task's, 0:75 for denoise."),
    ] = None,
    iterations: Annotated[
        int | None,
        typer.Option(min=1, help="Default: 400000, or with --max-minutes as many as fit.", show_default=False),
    ] = None,
    batch: Annotated[int, typer.Option(min=1)] = 24,
    crop: Annotated[
        int | None,
        typer.Option(
            min=16,
            help="Side of the square patches of clean pixels. Default: 64, times the scale if it enlarges.",
            show_default=False,
        ),
    ] = None,
    optimizer: Annotated[
        TrainingOptimizer, typer.Option(help="Of the kernels; soap follows how their gradients spread.")
    ] = "muon",
    learning_rate: Annotated[
        float | None, typer.Option(min=0, help="Default: 0.005 muon or soap, 0.001 adam, 0.05 sgd.", show_default=False)
    ] = None,
    weight_decay: Annotated[
        float | None,
        typer.Option(
            min=0,
            help="Shrinks the weights in every step, times the rate. Default: 0.3 muon or soap, 0 adam, 0.0003 sgd.",
            show_default=False,
        ),
    ] = None,
    schedule: Annotated[
        RateCurve, typer.Option(help="trapezoid: constant, falling in the last fifth; resume it with more iterations.")
    ] = "cosine",
    loss: Annotated[PixelLoss, typer.Option()] = "l1",
    ssim_weight: Annotated[
        float | None,
        typer.Option(
            min=0,
            help="lambda of log10(1/SSIM); the paper's is 0.6. Default: 0.6 for super-resolution, else 0.",
            show_default=False,
        ),
    ] = None,
    quantised_share: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=1,
            help="Share of patches rounded as 8-bit files are. Default: 0.5 for denoise, 1 for super-resolution.",
        ),
    ] = None,
    degraded: Annotated[
        Path | None,
        typer.Option(
            help="A folder of the same pictures with noise, by the same names: train on these pairs. Default: noise is "
            "simulated.",
            show_default=False,
        ),
    ] = None,
    teacher: Annotated[
        Path | None,
        typer.Option(
            help="A bundled name, or a genotype with its weights beside it: learn its output, mixed with the images.",
            show_default=False,
        ),
    ] = None,
    teacher_share: Annotated[
        float | None,
        typer.Option(
            max=1,
            help="Share of the teacher's output in what is learnt, above 0: more is steadier, and keeps more of its "
            f"mistakes. Default: {USUAL_TEACHER_SHARE}.",
            show_default=False,
        ),
    ] = None,
    validation: Annotated[
        Path | None, typer.Option(help="Images to validate on. Default: every 50th training image is held out.")
    ] = None,
    validation_every: Annotated[int, typer.Option(min=1, help="Iterations between validations.")] = 2000,
    device: Device = "auto",
    precision: Precision = "auto",
    threads: Threads = None,
    compile_steps: Compile = None,
    convolutions: ConvolutionsChoice = "direct",
    seed: Seed = 0,
    start_from: Annotated[
        Path | None,
        typer.Option(
            help="Weights of this genotype to begin with, for fine-tuning, or an fp32 model of it. Default: random."
        ),
    ] = None,
    warm_start: Annotated[
        Path | None,
        typer.Option(
            help="Weights, or an fp32 model, of another network, such as one of another scale or task, to begin with "
            "as far as they fit."
        ),
    ] = None,
    resume: Resume = False,
    max_minutes: Annotated[
        float | None,
        typer.Option(
            min=0,
            help="Train so long; the learning rate has fallen to 0 by then. With --resume so many minutes more, the "
            "rate as if all had been planned at once. With --iterations: stop, resumably, after this time.",
        ),
    ] = None,
    log: Log = None,
    quiet: Quiet = False,
) -> None:
    """Train a genotype's compact network from scratch on a folder of clean images.

    Example: hinas-train genotype.json photos/ --out runs/color --sigma 0:75 --max-minutes 60
    """
    if log is not None:
        require_libraries(f"--log {log}", "tensorboard", extras="tensorboard")
    require_libraries("hinas-train", "torch", "pydantic", "safetensors", "onnx", extras="search")
    from .learning.computing import Computing
    from .tasks.interface import TaskOptions
    from .training.train_request import TrainRequest
    from .training.training_settings import USUAL_ITERATIONS, USUAL_RATES, USUAL_WEIGHT_DECAYS, TrainingSettings
    from .training.usual_settings import usual_settings

    if iterations is None and not (max_minutes is not None and max_minutes < math.inf):
        iterations = USUAL_ITERATIONS

    genotype = genotype_file(genotype)
    usual = usual_settings(genotype)
    request = TrainRequest(
        genotype=genotype,
        images=images,
        out=out,
        task=TaskOptions(
            level_range=None if sigma is None else level_range_from_text("--sigma", sigma),
            quantised_share=quantised_share,
        ),
        settings=TrainingSettings(
            iterations=iterations,
            batch=batch,
            crop=usual.crop if crop is None else crop,
            optimizer=optimizer,
            learning_rate=USUAL_RATES[optimizer] if learning_rate is None else learning_rate,
            weight_decay=USUAL_WEIGHT_DECAYS[optimizer] if weight_decay is None else weight_decay,
            schedule=schedule,
            warmup=500 if iterations is None else min(500, max(1, iterations // 20)),
            pixel_loss=loss,
            ssim_weight=usual.ssim_weight if ssim_weight is None else ssim_weight,
            seed=seed,
            validation_every=validation_every,
        ),
        computing=Computing(
            device=device, precision=precision, threads=threads, compiled=compile_steps, convolutions=convolutions
        ),
        validation=validation,
        degraded=degraded,
        teacher=teacher,
        teacher_share=teacher_share,
        start_from=start_from,
        warm_start=warm_start,
        resume=resume,
        max_minutes=max_minutes,
        log=log,
        quiet=quiet,
    )
    from .training.train_run import run_training

    summary = run_training(request)
    if summary:
        print(summary)


def main() -> None:
    """Entry point of `hinas-train`."""
    run_command(app)


if __name__ == "__main__":
    main()

"""The command `hinas-train`: parse, call, print."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from ..command_line import require_libraries, run_command
from ..errors import UserError

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)


class Optimizer(StrEnum):
    """The optimizers `--optimizer` takes."""

    muon = "muon"
    adam = "adam"
    sgd = "sgd"


class Schedule(StrEnum):
    """How the learning rate falls to 0: along a cosine, or constant and then a line over the last fifth."""

    cosine = "cosine"
    trapezoid = "trapezoid"


class Loss(StrEnum):
    """The pixel losses `--loss` takes."""

    l1 = "l1"
    mse = "mse"


class Precision(StrEnum):
    """`auto` is bf16 where the device computes in it, else fp32."""

    auto = "auto"
    fp32 = "fp32"
    bf16 = "bf16"


def sigma_range_from_text(text: str) -> tuple[float, float]:
    """`30` -> (30, 30) and `0:75` -> (0, 75), grey levels; UserError where it is neither."""
    low, separator, high = text.partition(":")
    try:
        ends = (float(low), float(high if separator else low))
    except ValueError as error:
        raise UserError(f"--sigma: got {text!r}, expected one level such as 30 or a range such as 0:75") from error
    if not 0 <= ends[0] <= ends[1] <= 255:
        raise UserError(f"--sigma: got {text!r}, expected grey levels 0 to 255, the lower one first")
    return ends


@app.command()
def train(
    genotype: Annotated[Path, typer.Argument(help="The genotype.json of the network.", show_default=False)],
    images: Annotated[Path, typer.Argument(help="A folder of clean images.", show_default=False)],
    out: Annotated[Path, typer.Option(help="Folder for weights, history and checkpoint.", show_default=False)],
    sigma: Annotated[str, typer.Option(help="Noise in grey levels: one level, 30, or a range, 0:75.")] = "0:75",
    iterations: Annotated[int, typer.Option(min=1)] = 400_000,
    batch: Annotated[int, typer.Option(min=1)] = 24,
    crop: Annotated[int, typer.Option(min=16, help="Side of the square patches, pixels.")] = 64,
    optimizer: Annotated[Optimizer, typer.Option()] = Optimizer.muon,
    learning_rate: Annotated[float | None, typer.Option(help="Default: 0.005 muon, 0.001 adam, 0.05 sgd.")] = None,
    schedule: Annotated[
        Schedule, typer.Option(help="trapezoid: constant, falling in the last fifth; resume it with more iterations.")
    ] = Schedule.cosine,
    loss: Annotated[Loss, typer.Option()] = Loss.l1,
    ssim_weight: Annotated[float, typer.Option(min=0, help="lambda of log10(1/SSIM); the paper's is 0.6.")] = 0.0,
    quantised_share: Annotated[
        float, typer.Option(min=0, max=1, help="Share of patches with clipped, rounded noise, as in 8-bit files.")
    ] = 0.5,
    validation: Annotated[
        Path | None, typer.Option(help="Images to validate on. Default: every 50th training image is held out.")
    ] = None,
    validation_every: Annotated[int, typer.Option(min=1, help="Iterations between validations.")] = 2000,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")] = "auto",
    precision: Annotated[Precision, typer.Option()] = Precision.auto,
    threads: Annotated[int | None, typer.Option(min=1, help="CPU threads.")] = None,
    compile_steps: Annotated[
        bool | None, typer.Option("--compile/--no-compile", help="Compiled, graphed steps. Default: on CUDA only.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    start_from: Annotated[
        Path | None, typer.Option(help="Weights of this genotype to begin with, for fine-tuning. Default: random.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from OUT/checkpoint.pt.")] = False,
    max_minutes: Annotated[float | None, typer.Option(min=0, help="Stop, resumably, after this time.")] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress, no warnings.")] = False,
) -> None:
    """Train a genotype's compact network from scratch on a folder of clean images.

    Example: hinas-train genotype.json photos/ --out runs/color --sigma 0:75 --max-minutes 60
    """
    require_libraries("hinas-train", "torch", "pydantic", "safetensors", extras="search")
    from .training.train_run import TrainRequest, run_training

    rates = {Optimizer.muon: 5e-3, Optimizer.adam: 1e-3, Optimizer.sgd: 0.05}
    summary = run_training(
        TrainRequest(
            genotype=genotype,
            images=images,
            out=out,
            sigma_range=sigma_range_from_text(sigma),
            iterations=iterations,
            batch=batch,
            crop=crop,
            optimizer=optimizer.value,
            schedule=schedule.value,
            learning_rate=rates[optimizer] if learning_rate is None else learning_rate,
            pixel_loss=loss.value,
            ssim_weight=ssim_weight,
            quantised_share=quantised_share,
            validation=validation,
            validation_every=validation_every,
            device=device,
            precision=precision.value,
            threads=threads,
            compiled=compile_steps,
            seed=seed,
            start_from=start_from,
            resume=resume,
            max_minutes=max_minutes,
            quiet=quiet,
        )
    )
    if summary:
        print(summary)


def main() -> None:
    """Entry point of `hinas-train`."""
    run_command(app)


if __name__ == "__main__":
    main()

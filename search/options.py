"""The options that hinas-search and hinas-train share, written once, and the values of their texts."""

from pathlib import Path
from typing import Annotated

import typer

from ..errors import UserError
from .learning.choices import Convolutions, LogFormat, PrecisionChoice

Device = Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")]
Precision = Annotated[
    PrecisionChoice, typer.Option(help="Of the convolutions; auto: bf16 where the device computes in it.")
]
Threads = Annotated[int | None, typer.Option(min=1, help="CPU threads. Default: as torch chooses.")]
Compile = Annotated[
    bool | None, typer.Option("--compile/--no-compile", help="Compiled, graphed steps. Default: on CUDA only.")
]
ConvolutionsChoice = Annotated[
    Convolutions,
    typer.Option(
        "--convolutions",
        help="winograd: those of 3x3 by Winograd's algorithm, up to 1.4 times as fast in fp32 on the CPU; needs a C++ "
        "compiler with OpenMP.",
    ),
]
Seed = Annotated[int, typer.Option(min=0)]
Resume = Annotated[bool, typer.Option("--resume", help="Go on with what --out holds.")]
MaxMinutes = Annotated[float | None, typer.Option(min=0, help="Stop, resumably, after this time.")]
Log = Annotated[
    LogFormat | None,
    typer.Option(
        help="Curves for TensorBoard too, in the folder tensorboard of --out; history.csv is written anyway.",
        show_default=False,
    ),
]
Quiet = Annotated[bool, typer.Option("--quiet", help="No progress, no warnings.")]
OutFolder = Annotated[Path, typer.Option(help="Folder for weights, history and checkpoint.", show_default=False)]


def levels_from_text(option: str, text: str) -> tuple[float, ...]:
    """`30,50,70` -> (30, 50, 70) grey levels; UserError naming the option where one is none."""
    try:
        levels = tuple(float(part) for part in text.split(","))
    except ValueError as error:
        raise UserError(f"{option}: got {text!r}, expected numbers separated by commas") from error
    if not all(0 <= level <= 255 for level in levels):
        raise UserError(f"{option}: got {text!r}, expected grey levels 0 to 255")
    return levels


def level_range_from_text(option: str, text: str) -> tuple[float, float]:
    """`30` -> (30, 30) and `0:75` -> (0, 75), grey levels; UserError naming the option where it is neither."""
    low, separator, high = text.partition(":")
    try:
        ends = (float(low), float(high if separator else low))
    except ValueError as error:
        raise UserError(f"{option}: got {text!r}, expected one level such as 30 or a range such as 0:75") from error
    if not 0 <= ends[0] <= ends[1] <= 255:
        raise UserError(f"{option}: got {text!r}, expected grey levels 0 to 255, the lower one first")
    return ends

"""The command `hinas-search`: parse, call, print."""

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from ..command_line import require_libraries, run_command
from ..errors import UserError

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)


class Method(StrEnum):
    """`gradient` is HiNAS; `random` is random search with weight sharing (RSWS)."""

    gradient = "gradient"
    random = "random"


class Optimizer(StrEnum):
    """Of the kernels: `sgd` is the paper's; where steps are few `adam` learns faster, `muon` fastest."""

    sgd = "sgd"
    adam = "adam"
    muon = "muon"


class Widths(StrEnum):
    """The papers' ws, w40 and wm."""

    searched = "searched"
    fixed = "fixed"
    doubled = "doubled"


class Resolution(StrEnum):
    """Resolution of the cells: the image's, a half or a quarter of it."""

    full = "full"
    half = "half"
    quarter = "quarter"


class Activation(StrEnum):
    """Of HiNAS v2 and v1."""

    leaky_relu = "leaky_relu"
    relu = "relu"


class Normalisation(StrEnum):
    """Of the compact network; `none` puts biases in its place."""

    batch = "batch"
    none = "none"


class Precision(StrEnum):
    """`auto` is bf16 where the device computes in it, else fp32."""

    auto = "auto"
    fp32 = "fp32"
    bf16 = "bf16"


PAPER: dict[str, Any] = {
    "layers": 3,
    "nodes": 4,
    "width": 10,
    "compact_width": 20,
    "width_factors": "1,1.5,2",
    "stem": "full",
    "stem_channels": 64,
    "end_channels": 128,
    "early_channels": 48,
    "normalisation": "batch",
    "activation": "leaky_relu",
    "conditioned": False,
}
"""What `--paper` sets: HiNAS v2 as published (sections 3 and 4.1)."""


KERNEL_LEARNING_RATE = {Optimizer.sgd: 0.025, Optimizer.adam: 0.005, Optimizer.muon: 0.04}


def numbers_from_text(option: str, text: str) -> tuple[float, ...]:
    """`1,1.5,2` -> (1, 1.5, 2); UserError naming the option where one is no number."""
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError as error:
        raise UserError(f"{option}: got {text!r}, expected numbers separated by commas") from error


@app.command()
def search(
    context: typer.Context,
    images: Annotated[Path | None, typer.Argument(help="A folder of clean images.", show_default=False)] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder for genotype, pictures, history, checkpoint.", show_default=False)
    ] = None,
    space: Annotated[str, typer.Option(help="The search space.")] = "hinas",
    task: Annotated[str, typer.Option(help="What the network is for.")] = "denoise",
    channels: Annotated[int, typer.Option(help="1 grey, 3 colour.")] = 3,
    paper: Annotated[bool, typer.Option("--paper", help="The space as published in HiNAS v2.")] = False,
    layers: Annotated[int, typer.Option(min=1, help="Cells in depth.")] = 3,
    nodes: Annotated[int, typer.Option(min=1, help="Nodes of a cell.")] = 4,
    width: Annotated[int, typer.Option(min=1, help="Channels of level 0 while searching.")] = 16,
    compact_width: Annotated[int, typer.Option(min=1, help="Channels of level 0 of the found network.")] = 32,
    width_factors: Annotated[str, typer.Option(help="Widths of the levels in units of level 0's.")] = "1,1.5,2",
    level_strides: Annotated[
        str | None, typer.Option(help="Resolution of the levels, such as 1,2,4. Default: all 1.", show_default=False)
    ] = None,
    widths: Annotated[Widths, typer.Option(help="How layers come to their widths.")] = Widths.searched,
    stem: Annotated[Resolution, typer.Option(help="Resolution the cells work at.")] = Resolution.half,
    stem_channels: Annotated[int, typer.Option(min=1)] = 32,
    end_channels: Annotated[int, typer.Option(min=1)] = 64,
    early_channels: Annotated[int, typer.Option(min=1)] = 32,
    normalisation: Annotated[Normalisation, typer.Option(help="Of the found network.")] = Normalisation.none,
    activation: Annotated[Activation, typer.Option()] = Activation.relu,
    conditioned: Annotated[
        bool, typer.Option("--conditioned/--blind", help="Whether the network is told sigma (0 to 75).")
    ] = True,
    residual: Annotated[bool, typer.Option("--residual/--no-residual", help="Predict the noise.")] = True,
    layerwise: Annotated[bool, typer.Option("--layerwise/--no-layerwise", help="LWAS: alphas for each layer.")] = True,
    cell_sharing: Annotated[
        bool, typer.Option("--cell-sharing/--no-cell-sharing", help="Equation 5 or 6 of the paper.")
    ] = True,
    sigma: Annotated[str, typer.Option(help="Noise levels drawn, grey levels.")] = "30,50,70",
    epochs: Annotated[int, typer.Option(min=1)] = 100,
    steps: Annotated[int | None, typer.Option(min=1, help="Steps an epoch. Default: one pass over W.")] = None,
    batch: Annotated[int, typer.Option(min=1)] = 8,
    crop: Annotated[int, typer.Option(min=16, help="Side of the square patches, pixels.")] = 64,
    warm_up_epochs: Annotated[
        int | None, typer.Option(min=0, help="Epochs of kernels alone. Default: a fifth.", show_default=False)
    ] = None,
    validate_from: Annotated[
        int | None, typer.Option(min=1, help="First epoch judged. Default: after 60 %.", show_default=False)
    ] = None,
    ssim_weight: Annotated[float, typer.Option(min=0, help="lambda of log10(1/SSIM); 0: MSE alone.")] = 0.6,
    kernel_optimizer: Annotated[
        Optimizer, typer.Option(help="sgd is the paper's; muon learns fastest where steps are few.")
    ] = Optimizer.sgd,
    kernel_learning_rate: Annotated[
        float | None, typer.Option(min=0, help="Default: sgd 0.025, adam 0.005, muon 0.04.", show_default=False)
    ] = None,
    architecture_learning_rate: Annotated[float, typer.Option(min=0, help="Of alpha and beta.")] = 1e-3,
    architecture_weight_decay: Annotated[
        float, typer.Option(min=0, help="Of alpha and beta; 0 lets them decide more clearly.")
    ] = 1e-3,
    final_temperature: Annotated[
        float,
        typer.Option(min=0.001, max=1, help="Of the softmaxes at the end; the paper's is 1, 0.1 decides clearly."),
    ] = 1.0,
    method: Annotated[Method, typer.Option()] = Method.gradient,
    samples: Annotated[int, typer.Option(min=1, help="Networks that random search compares.")] = 30,
    latency_table: Annotated[
        Path | None, typer.Option(help="Prices from hinas-bench --operations.", show_default=False)
    ] = None,
    latency_weight: Annotated[float, typer.Option(min=0, help="Loss per e-fold of expected latency.")] = 0.0,
    latency_target_ms: Annotated[
        float | None, typer.Option(min=0.001, help="Only latency above this costs.", show_default=False)
    ] = None,
    tile: Annotated[
        int | None,
        typer.Option(
            min=16, help="The network will run in tiles of this side: their overlap costs.", show_default=False
        ),
    ] = None,
    perturbed: Annotated[
        bool, typer.Option("--perturbed", help="Write small changes of the find too: the paper's R1 and R2.")
    ] = False,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")] = "auto",
    precision: Annotated[Precision, typer.Option()] = Precision.auto,
    threads: Annotated[int | None, typer.Option(min=1, help="CPU threads.")] = None,
    compile_steps: Annotated[
        bool | None, typer.Option("--compile/--no-compile", help="Compiled, graphed steps. Default: on CUDA only.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from OUT/checkpoint.pt.")] = False,
    max_minutes: Annotated[float | None, typer.Option(min=0, help="Stop, resumably, after this time.")] = None,
    print_space: Annotated[
        bool, typer.Option("--print-space", help="Print the space's settings for hinas-bench --operations, and stop.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress, no warnings.")] = False,
) -> None:
    """Search for a network on a folder of clean images.

    Example: hinas-search photos/ --out runs/search --channels 1 --max-minutes 60
    """
    require_libraries("hinas-search", "torch", "pydantic", "matplotlib", extras="search")
    from pydantic import ValidationError

    from .architecture_search.search_space import SearchSpace
    from .spaces.registry import space_settings

    if task != "denoise":
        raise UserError(f"--task: got {task!r}, expected denoise")
    if channels not in (1, 3):
        raise UserError(f"--channels: got {channels}, expected 1 or 3")
    chosen: dict[str, Any] = {
        "layers": layers,
        "nodes": nodes,
        "width": width,
        "compact_width": compact_width,
        "width_factors": width_factors,
        "stem": stem.value,
        "stem_channels": stem_channels,
        "end_channels": end_channels,
        "early_channels": early_channels,
        "normalisation": normalisation.value,
        "activation": activation.value,
        "conditioned": conditioned,
    }
    if paper:
        given = [name for name in PAPER if context.get_parameter_source(name).name == "COMMANDLINE"]  # pyright: ignore
        chosen.update({name: value for name, value in PAPER.items() if name not in given})
    try:
        settings = space_settings(
            space,
            {
                "layers": chosen["layers"],
                "nodes": chosen["nodes"],
                "width": chosen["width"],
                "compact_width": chosen["compact_width"],
                "width_factors": numbers_from_text("--width-factors", chosen["width_factors"]),
                "level_strides": None if level_strides is None else numbers_from_text("--level-strides", level_strides),
                "width_search": widths.value,
                "stem": {"resolution": chosen["stem"], "channels": chosen["stem_channels"]},
                "end": {"channels": chosen["end_channels"], "early_channels": chosen["early_channels"]},
                "normalisation": chosen["normalisation"],
                "activation": chosen["activation"],
                "residual": residual,
                "conditioning": {} if chosen["conditioned"] else None,
                "layerwise": layerwise,
                "cell_sharing": cell_sharing,
            },
        )
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise UserError(f"{where or 'the space'}: {first['msg'].removeprefix('Value error, ')}") from error
    described = SearchSpace(space=space, channels=channels, settings=settings)
    if print_space:
        print(described.to_json(), end="")
        return
    if images is None:
        raise UserError("IMAGES: missing; give a folder of clean images")
    if out is None:
        raise UserError("--out: missing; give a folder for the results")
    sigmas = numbers_from_text("--sigma", sigma)
    if not all(0 <= level <= 255 for level in sigmas):
        raise UserError(f"--sigma: got {sigma!r}, expected grey levels 0 to 255")
    from .architecture_search.search_run import SearchRequest, run_search

    summary = run_search(
        SearchRequest(
            space=described,
            images=images,
            out=out,
            command=" ".join(["hinas-search", *sys.argv[1:]]),
            sigmas=sigmas,
            epochs=epochs,
            steps=steps,
            batch=batch,
            crop=crop,
            warm_up_epochs=epochs // 5 if warm_up_epochs is None else warm_up_epochs,
            validate_from_epoch=epochs * 3 // 5 + 1 if validate_from is None else validate_from,
            ssim_weight=ssim_weight,
            architecture_learning_rate=architecture_learning_rate,
            architecture_weight_decay=architecture_weight_decay,
            final_temperature=final_temperature,
            kernel_optimizer=kernel_optimizer.value,
            kernel_learning_rate=KERNEL_LEARNING_RATE[kernel_optimizer]
            if kernel_learning_rate is None
            else kernel_learning_rate,
            method=method.value,
            samples=samples,
            latency_table=latency_table,
            latency_weight=latency_weight,
            latency_target_ms=latency_target_ms,
            tile=tile,
            device=device,
            precision=precision.value,
            threads=threads,
            compiled=compile_steps,
            seed=seed,
            perturbed=perturbed,
            resume=resume,
            max_minutes=max_minutes,
            quiet=quiet,
        )
    )
    if summary:
        print(summary)


def main() -> None:
    """Entry point of `hinas-search`."""
    run_command(app)


if __name__ == "__main__":
    main()

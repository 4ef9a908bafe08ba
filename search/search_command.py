"""The command `hinas-search`: parse, call, print."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from ..command_line import require_libraries, run_command
from ..errors import UserError
from .learning.choices import Method
from .options import (
    Compile,
    ConvolutionsChoice,
    Device,
    Log,
    MaxMinutes,
    Precision,
    Quiet,
    Resume,
    Seed,
    Threads,
    levels_from_text,
)

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)


@app.command()
def search(
    images: Annotated[Path | None, typer.Argument(help="A folder of clean images.", show_default=False)] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder for genotype, pictures, history, checkpoint.", show_default=False)
    ] = None,
    space: Annotated[str, typer.Option(help="The search space: a name, or a file that --print-space wrote.")] = "hinas",
    preset: Annotated[
        str | None,
        typer.Option(
            help="Settings of the space under one name: fast (default), others by space, such as paper, as published.",
            metavar="NAME",
        ),
    ] = None,
    changes: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="NAME=VALUE",
            help="Change a setting, such as layers=2; --print-space shows their names. Repeatable.",
        ),
    ] = None,
    task: Annotated[
        str | None, typer.Option(help="What the network is for. Default: denoise.", show_default=False)
    ] = None,
    scale: Annotated[
        int | None,
        typer.Option(
            min=1, max=4, help="super-resolution: how many times pictures are enlarged: 2, 3 or 4.", show_default=False
        ),
    ] = None,
    channels: Annotated[
        int | None,
        typer.Option(help="1 grey, 3 colour, 4 packed Bayer. Default: 4 for raw, else 3.", show_default=False),
    ] = None,
    sigma: Annotated[
        str | None,
        typer.Option(
            help="Noise levels drawn, grey levels. For denoise 30,50,70, or 0 to 75 in halving and supernet.",
            metavar="LIST",
        ),
    ] = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="Default: the preset's.")] = None,
    batch: Annotated[int | None, typer.Option(min=1, help="Default: the preset's.")] = None,
    crop: Annotated[
        int | None, typer.Option(min=16, help="Side of the square patches, pixels. Default: the preset's.")
    ] = None,
    method: Annotated[
        Method | None,
        typer.Option(
            help="gradient learns the architecture; random compares networks that share kernels; halving trains many "
            "networks shortly and the best of them longer; supernet lets networks with shared kernels evolve and goes "
            "on with the best; scores of gradient and supernet have ranked networks little better than chance, prefer "
            "halving. Default: the space's first.",
            show_default=False,
        ),
    ] = None,
    latency_table: Annotated[
        Path | None, typer.Option(help="Prices from hinas-bench --operations.", show_default=False)
    ] = None,
    latency_weight: Annotated[float, typer.Option(min=0, help="Loss per e-fold of expected latency.")] = 0.0,
    latency_target_ms: Annotated[
        float | None, typer.Option(min=0.001, help="Only latency above this costs.", show_default=False)
    ] = None,
    latency_band: Annotated[
        str | None,
        typer.Option(
            help="halving, supernet: only networks predicted to take so long, in ms, such as 60:66.",
            metavar="LOW:HIGH",
            show_default=False,
        ),
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
    device: Device = "auto",
    precision: Precision = "auto",
    threads: Threads = None,
    compile_steps: Compile = None,
    convolutions: ConvolutionsChoice = "direct",
    seed: Seed = 0,
    resume: Resume = False,
    max_minutes: MaxMinutes = None,
    print_space: Annotated[
        bool, typer.Option("--print-space", help="Print the space with all its settings as a file, and stop.")
    ] = False,
    log: Log = None,
    quiet: Quiet = False,
) -> None:
    """Search for a network on a folder of clean images.

    Example: hinas-search photos/ --out runs/search --channels 1 --max-minutes 60
    """
    if log is not None:
        require_libraries(f"--log {log}", "tensorboard", extras="tensorboard")
    require_libraries("hinas-search", "torch", "pydantic", "matplotlib", extras="search")
    from .architecture_search.chosen_space import SpaceOptions, chosen_space
    from .architecture_search.drawn_levels import check_conditioning, drawn_task
    from .architecture_search.search_request import SearchRequest, latency_request
    from .architecture_search.search_space import scheduled_space
    from .learning.computing import Computing
    from .spaces.registry import space_named
    from .tasks.interface import TaskOptions

    described = chosen_space(
        SpaceOptions(space=space, preset=preset, task=task, channels=channels, scale=scale, changes=changes or ())
    )
    chosen = space_named(described.space).methods[0] if method is None else method
    given = {"epochs": epochs, "batch": batch, "crop": crop}
    options = TaskOptions(
        scale=described.task.scale, levels=None if sigma is None else levels_from_text("--sigma", sigma)
    )
    check_conditioning(described, drawn_task(described, options, chosen))
    described = scheduled_space(described, {name: value for name, value in given.items() if value is not None}, chosen)
    if print_space:
        print(described.to_json(), end="")
        return
    if images is None:
        raise UserError("IMAGES: missing; give a folder of clean images")
    if out is None:
        raise UserError("--out: missing; give a folder for the results")
    request = SearchRequest(
        space=described,
        task=options,
        images=images,
        out=out,
        method=chosen,
        latency=latency_request(
            latency_table, weight=latency_weight, target_ms=latency_target_ms, tile=tile, band=latency_band
        ),
        computing=Computing(
            device=device, precision=precision, threads=threads, compiled=compile_steps, convolutions=convolutions
        ),
        seed=seed,
        perturbed=perturbed,
        resume=resume,
        max_minutes=max_minutes,
        log=log,
        quiet=quiet,
        command=" ".join(["hinas-search", *sys.argv[1:]]),
    )
    if request.method == "halving":
        from .halving.halving_run import run_halving

        summary = run_halving(request)
    elif request.method == "supernet":
        from .supernet.supernet_run import run_supernet_search

        summary = run_supernet_search(request)
    else:
        from .architecture_search.search_run import run_search

        summary = run_search(request)
    if summary:
        print(summary)


def main() -> None:
    """Entry point of `hinas-search`."""
    run_command(app)


if __name__ == "__main__":
    main()

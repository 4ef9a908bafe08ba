"""The command `hinas-bench`: parse, call, print."""

import math
import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..command_line import require_libraries, run_command
from ..errors import UserError
from .noise_variants import Noise

if TYPE_CHECKING:
    from .latency import Size

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)

DEFAULT_SIGMA = "30,50,70"


def sigmas_from_text(text: str) -> tuple[float, ...]:
    """`30,50` -> (30, 50), each level once; UserError where one is no grey level above 0."""
    levels: list[float] = []
    for part in text.split(","):
        try:
            level = float(part)
        except ValueError:
            level = math.nan
        if not 0 < level <= 255:
            raise UserError(
                f"--sigma {text}: {part.strip()!r} is no noise level; expected grey levels such as 30,50,70"
            )
        levels.append(level)
    return tuple(dict.fromkeys(levels))


def sizes_from_text(text: str) -> "tuple[Size, ...]":
    """`481x321,1920x1080` -> sizes, each once; UserError where one is not WIDTHxHEIGHT."""
    from .latency import Size

    sizes: list[Size] = []
    for part in text.split(","):
        found = re.fullmatch(r"\s*([1-9]\d{0,5})x([1-9]\d{0,5})\s*", part, re.IGNORECASE | re.ASCII)
        if found is None:
            raise UserError(
                f"--size {text}: {part.strip()!r} is no size; expected WIDTHxHEIGHT in pixels, such as 481x321"
            )
        sizes.append(Size(width=int(found[1]), height=int(found[2])))
    return tuple(dict.fromkeys(sizes))


@app.command()
def bench(
    data: Annotated[
        str | None,
        typer.Option(help="Clean images, a folder, file or 'glob'. Without it: latency alone.", show_default=False),
    ] = None,
    model: Annotated[
        list[str] | None,
        typer.Option(
            help="A bundled name or a model file; may be repeated. Default: the bundled models.", show_default=False
        ),
    ] = None,
    sigma: Annotated[
        str | None, typer.Option(help=f"Noise levels in grey levels. Default: {DEFAULT_SIGMA}.", show_default=False)
    ] = None,
    noise: Annotated[
        Noise | None,
        typer.Option(
            help="standard: un-quantised; file: clipped and rounded to 8 bits. Default: standard.", show_default=False
        ),
    ] = None,
    limit: Annotated[
        int | None, typer.Option(min=1, help="At most this many images, evenly spread.", show_default=False)
    ] = None,
    size: Annotated[
        str, typer.Option(help="Image sizes for the latency, WIDTHxHEIGHT, separated by commas.")
    ] = "481x321",
    threads: Annotated[int, typer.Option(min=1, help="Processor threads of one run.")] = 1,
    rounds: Annotated[int, typer.Option(min=1, help="Timed runs of each model, at least; fast models get more.")] = 10,
    out: Annotated[Path, typer.Option(help="Folder for results.json, the tables and the picture.")] = Path(
        "bench-results"
    ),
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress, no notes.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print results.json instead of the tables.")] = False,
) -> None:
    """Measure the latency of models, and their PSNR and SSIM on a folder of clean images; draw the trade-off.

    One-channel models are measured on the grey images, three-channel models on the colour images, all with
    the same noise on every run.

    Example: hinas-bench --data photos/ --limit 25 --out results
    """
    require_libraries("hinas-bench", "onnx", "matplotlib", "psutil", "pydantic", "onnxruntime", extras="bench,cpu")
    # Before NumPy is loaded: its own threads would compete with the network's.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from .latency import Rounds
    from .progress import ProgressBars
    from .run import BenchRequest, Listener, QualityRequest, run_bench

    if data is None:
        for name, value in (("--sigma", sigma), ("--noise", noise), ("--limit", limit)):
            if value is not None:
                raise UserError(f"{name}: quality is measured on images; give them with --data IMAGES")
    request = BenchRequest(
        models=tuple(model or ()),
        quality=None
        if data is None
        else QualityRequest(
            data=data,
            limit=limit,
            sigmas=sigmas_from_text(DEFAULT_SIGMA if sigma is None else sigma),
            noise=Noise.standard if noise is None else noise,
        ),
        sizes=sizes_from_text(size),
        threads=threads,
        rounds=Rounds(fewest=rounds),
        out=out,
    )
    with ProgressBars(is_quiet=quiet) as bars:
        outcome = run_bench(request, Listener(note=bars.note, begin=bars.begin, step=bars.step))
    if as_json:
        print(outcome.results.to_json(), end="")
    else:
        from .tables import results_table

        print(results_table(outcome.results))
    if not quiet:
        print(f"wrote {', '.join(map(str, outcome.files))}", file=sys.stderr)


def main() -> None:
    """Entry point of `hinas-bench`."""
    run_command(app)


if __name__ == "__main__":
    main()

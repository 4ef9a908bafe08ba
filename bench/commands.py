"""The command `hinas-bench`: parse, call, print."""

import math
import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..command_line import chosen_names, require_libraries, run_command
from ..errors import UserError
from .option_uses import require_used
from .quality.noise_variants import Noise

if TYPE_CHECKING:
    from ..runtime.model.manifest import Precision
    from .latency.latency import Size

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
    from .latency.latency import Size

    sizes: list[Size] = []
    for part in text.split(","):
        found = re.fullmatch(r"\s*([1-9]\d{0,5})x([1-9]\d{0,5})\s*", part, re.IGNORECASE | re.ASCII)
        if found is None:
            raise UserError(
                f"--size {text}: {part.strip()!r} is no size; expected WIDTHxHEIGHT in pixels, such as 481x321"
            )
        sizes.append(Size(width=int(found[1]), height=int(found[2])))
    return tuple(dict.fromkeys(sizes))


def backends_from_options(options: list[str]) -> tuple[str, ...]:
    """`["cpu,openvino"]` -> (cpu, openvino), each once; none: cpu. UserError for a name that is no backend."""
    from ..runtime.backends.open_backend import BACKEND_NAMES

    allowed = tuple(name for name in BACKEND_NAMES if name != "auto")
    return chosen_names("--backend", ",".join(options or ["cpu"]), allowed)


def precisions_from_options(options: list[str]) -> "tuple[Precision, ...]":
    """`["fp32,int8"]` -> (fp32, int8), each once; UserError for a name that is no precision."""
    from typing import get_args

    from ..runtime.model.manifest import Precision

    return chosen_names("--precision", ",".join(options), get_args(Precision)) if options else ()


@app.command()
def bench(
    context: typer.Context,
    data: Annotated[
        str | None,
        typer.Option(help="Clean images, a folder, file or 'glob'. Without it: latency alone.", show_default=False),
    ] = None,
    model: Annotated[
        list[str] | None,
        typer.Option(
            help="A bundled name, a model file, or another denoiser's ONNX file; may be repeated. "
            "Default: the bundled models.",
            show_default=False,
        ),
    ] = None,
    backend: Annotated[
        list[str] | None,
        typer.Option(
            help="cpu, openvino, cuda, tensorrt; repeated or separated by commas. Default: cpu.", show_default=False
        ),
    ] = None,
    precision: Annotated[
        list[str] | None,
        typer.Option(
            help="fp32, fp16, bf16, int8; repeated or separated by commas. Default: as each model's file is.",
            show_default=False,
        ),
    ] = None,
    peers: Annotated[
        str | None,
        typer.Option(help="Published methods to measure too: all, or names such as ffdnet,bm3d.", show_default=False),
    ] = None,
    peer_weights: Annotated[
        list[str] | None,
        typer.Option(
            help="PEER=FILE.safetensors: score this peer too; may be repeated. Without it a network's weights are "
            "random and its latency alone is measured.",
            show_default=False,
        ),
    ] = None,
    sigma: Annotated[
        str | None, typer.Option(help=f"Noise levels in grey levels. Default: {DEFAULT_SIGMA}.", show_default=False)
    ] = None,
    noise: Annotated[
        Noise | None,
        typer.Option(
            help="standard: un-quantised; file: clipped and rounded to 8 bits; hinas-patches: each of the overlapping "
            "patches has noise of its own, as HiNAS's authors score. Default: standard.",
            show_default=False,
        ),
    ] = None,
    limit: Annotated[
        int | None, typer.Option(min=1, help="At most this many images, evenly spread.", show_default=False)
    ] = None,
    command: Annotated[
        list[str] | None,
        typer.Option(
            help="Score a program too: 'prog {in} {out} {sigma}', which reads and writes a PNG of 8 bits (colour). "
            "Needs --noise file; at most 10 minutes an image; may be repeated.",
            show_default=False,
        ),
    ] = None,
    command_gray: Annotated[
        list[str] | None,
        typer.Option(help="The same with grey images; may be repeated.", show_default=False),
    ] = None,
    size: Annotated[
        str, typer.Option(help="Image sizes for the latency, WIDTHxHEIGHT, separated by commas.")
    ] = "481x321",
    operations: Annotated[
        Path | None,
        typer.Option(help="Price the operations of this search space, for hinas-search.", show_default=False),
    ] = None,
    check: Annotated[
        int, typer.Option(min=0, help="With --operations: predict, then measure, this many random networks.")
    ] = 0,
    gpu: Annotated[
        list[str] | None,
        typer.Option(help="Project the latencies on this GPU, such as 1080ti; may be repeated.", show_default=False),
    ] = None,
    calibrate: Annotated[
        int | None,
        typer.Option(
            help="Try the projection on this machine: this many random networks beside fixed ones.", show_default=False
        ),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the random networks.")] = 0,
    published: Annotated[
        str | None,
        typer.Option(
            help="Print what the papers print: all, or a choice such as 'HiNAS v2, 10, sigma=50'; measures nothing.",
            show_default=False,
        ),
    ] = None,
    compare: Annotated[
        tuple[Path, Path] | None,
        typer.Option(
            metavar="OLD NEW",
            help="Measure nothing: say what changed from one results.json to another.",
            show_default=False,
        ),
    ] = None,
    threads: Annotated[int, typer.Option(min=1, help="Processor threads of one run.")] = 1,
    rounds: Annotated[int, typer.Option(min=1, help="Timed runs of each model, at least; fast models get more.")] = 10,
    out: Annotated[
        Path, typer.Option(help="Folder for results.json, the tables, the pictures and report.html.")
    ] = Path("bench-results"),
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress, no notes.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of the tables.")] = False,
) -> None:
    """Measure the latency of models, and their PSNR and SSIM on a folder of clean images; draw the trade-off.

    One-channel models are measured on the grey images, three-channel models on the colour images, all with
    the same noise on every run.

    Example: hinas-bench --data photos/ --limit 25 --gpu 1080ti --out results
    """
    require_used({name for name in context.params if _is_given(context, name)})
    if published is not None:
        _print_published(published, as_json)
        return
    if compare is not None:
        _compare(*compare, as_json)
        return
    require_libraries(
        "hinas-bench", "onnx", "matplotlib", "jinja2", "psutil", "pydantic", "onnxruntime", extras="bench,cpu"
    )
    if operations is not None:
        _price_operations(operations, size, threads, rounds, check, seed, out, quiet, as_json)
        return
    if calibrate is not None:
        _calibrate(calibrate, size, threads, rounds, seed, out, quiet, as_json)
        return
    # Before NumPy is loaded: its own threads would compete with the network's.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from .contestants.contestants import weights_by_peer
    from .contestants.program import program_from_text
    from .devices.profile import device_profile
    from .latency.latency import Rounds
    from .progress import Listener, ProgressBars
    from .request import BenchRequest, QualityRequest
    from .session import run_bench

    request = BenchRequest(
        models=tuple(model or ()),
        backends=backends_from_options(backend or []),
        precisions=precisions_from_options(precision or []),
        peers=peers,
        peer_weights=weights_by_peer(peer_weights or []),
        quality=None
        if data is None
        else QualityRequest(
            data=data,
            limit=limit,
            sigmas=sigmas_from_text(DEFAULT_SIGMA if sigma is None else sigma),
            noise=Noise.standard if noise is None else noise,
            programs=(
                *(program_from_text(text, 3) for text in command or ()),
                *(program_from_text(text, 1) for text in command_gray or ()),
            ),
        ),
        sizes=sizes_from_text(size),
        gpus=tuple({profile.name: profile for profile in map(device_profile, gpu or ())}.values()),
        threads=threads,
        rounds=Rounds(fewest=rounds),
        out=out,
    )
    with ProgressBars(is_quiet=quiet) as bars:
        outcome = run_bench(request, Listener(note=bars.note, begin=bars.begin, step=bars.step))
    if as_json:
        print(outcome.results.to_json(), end="")
    else:
        from .results.tables import results_table

        print(results_table(outcome.results))
    if not quiet:
        print(f"wrote {', '.join(map(str, outcome.files))}", file=sys.stderr)


def _is_given(context: typer.Context, name: str) -> bool:
    source = context.get_parameter_source(name)
    return source is not None and source.name != "DEFAULT"


def _print_published(choice: str, as_json: bool) -> None:
    require_libraries("hinas-bench --published", "pydantic", extras="bench")
    from .published.rows import read_published, rows_matching
    from .published.tables import published_json, published_table

    rows = rows_matching(read_published(), choice)
    print(published_json(rows) if as_json else published_table(rows), end="" if as_json else "\n")


def _compare(old: Path, new: Path, as_json: bool) -> None:
    require_libraries("hinas-bench --compare", "pydantic", extras="bench")
    from .results.compare import compare_results
    from .results.comparison_text import comparison_json, comparison_table
    from .results.results import read_results

    comparison = compare_results(read_results(old), read_results(new))
    print(comparison_json(comparison) if as_json else comparison_table(comparison), end="" if as_json else "\n")


def _price_operations(
    space: Path, size: str, threads: int, rounds: int, check: int, seed: int, out: Path, quiet: bool, as_json: bool
) -> None:
    require_libraries("hinas-bench --operations", "torch", "onnxscript", "scipy", extras="search,bench,cpu")
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from .latency.latency import Rounds
    from .prices.operations import OperationsRequest, operations_table, run_operations
    from .progress import Listener, ProgressBars

    only, *more = sizes_from_text(size)
    if more:
        raise UserError(f"--size {size}: a latency table is for one size; give one WIDTHxHEIGHT")
    request = OperationsRequest(
        space=space,
        size=only,
        threads=threads,
        rounds=Rounds(fewest=rounds),
        check=check,
        seed=seed,
        command=" ".join(["hinas-bench", *sys.argv[1:]]),
        out=out,
    )
    with ProgressBars(is_quiet=quiet) as bars:
        outcome = run_operations(request, Listener(note=bars.note, begin=bars.begin, step=bars.step))
    print(outcome.table.to_json() if as_json else operations_table(outcome), end="" if as_json else "\n")
    if not quiet:
        print(f"wrote {', '.join(map(str, outcome.files))}", file=sys.stderr)


def _calibrate(
    num_random: int, size: str, threads: int, rounds: int, seed: int, out: Path, quiet: bool, as_json: bool
) -> None:
    require_libraries("hinas-bench --calibrate", "torch", "onnxscript", "scipy", extras="search,bench,cpu")
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from .latency.latency import Rounds
    from .progress import Listener, ProgressBars
    from .projection.calibrate import CalibrationRequest, calibration_table, run_calibration

    only, *more = sizes_from_text(size)
    if more:
        raise UserError(f"--size {size}: a calibration is for one size; give one WIDTHxHEIGHT")
    request = CalibrationRequest(
        num_random=num_random,
        size=only,
        threads=threads,
        rounds=Rounds(fewest=rounds),
        seed=seed,
        out=out,
    )
    with ProgressBars(is_quiet=quiet) as bars:
        outcome = run_calibration(request, Listener(note=bars.note, begin=bars.begin, step=bars.step))
    print(outcome.to_json() if as_json else calibration_table(outcome), end="" if as_json else "\n")
    if not quiet:
        print(f"wrote {', '.join(map(str, outcome.files))}", file=sys.stderr)


def main() -> None:
    """Entry point of `hinas-bench`."""
    run_command(app)


if __name__ == "__main__":
    main()

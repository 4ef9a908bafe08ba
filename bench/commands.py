"""The command `hinas-bench`: parse, call, print."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import typer

from ..command_line import require_libraries, run_command
from .option_rules import require_used
from .quality.noise_protocols import Noise

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)

DEFAULT_SIGMA = "30,50,70"


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
            "Default: the bundled models that do not enlarge; with --pairs, none.",
            show_default=False,
        ),
    ] = None,
    pairs: Annotated[
        list[Path] | None,
        typer.Option(
            help="Score pairs of noisy and clean pictures: noisy/NAME beside clean/NAME in this folder, NAME_real "
            "beside NAME_mean, or NAME_noisy beside NAME_clean or NAME_gt. 'auto', hinas-denoise without options, is "
            "always scored; may be repeated.",
            show_default=False,
        ),
    ] = None,
    oracle: Annotated[
        str | None,
        typer.Option(
            help="With --pairs: try these levels, such as 5,10,15, with every --model and say what the best reach.",
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
        str | None,
        typer.Option(
            help=f"Noise levels in grey levels. Default: {DEFAULT_SIGMA}; with --pairs, estimated on each picture.",
            show_default=False,
        ),
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
        int | None, typer.Option(min=1, help="At most this many images or pairs, evenly spread.", show_default=False)
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
    seed: Annotated[int, typer.Option(min=0, help="Of the random networks of --check.")] = 0,
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
    join: Annotated[
        list[Path] | None,
        typer.Option(
            help="Measure nothing: join this results.json with others into one session; repeated for each of them.",
            show_default=False,
        ),
    ] = None,
    figure: Annotated[
        str | None,
        typer.Option(
            help="Draw one panel of a paper with our models in it: 14a (denoising; --sigma says the level, default 50) "
            "or 14b (super-resolution) of HiNAS v2.",
            show_default=False,
        ),
    ] = None,
    quality: Annotated[
        Literal["psnr", "ssim"] | None,
        typer.Option(help="With --figure: what its height is. Default: psnr.", show_default=False),
    ] = None,
    threads: Annotated[int, typer.Option(min=1, help="Processor threads of one run.")] = 1,
    rounds: Annotated[
        int,
        typer.Option(min=0, help="Timed runs of each model, at least; fast models get more. 0: quality alone."),
    ] = 10,
    out: Annotated[
        Path, typer.Option(help="Folder for results.json, the tables, the pictures and report.html.")
    ] = Path("bench-results"),
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress, no notes.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of the tables.")] = False,
) -> None:
    """Measure the latency of models, and their PSNR and SSIM on a folder of clean images; draw the trade-off.

    One-channel models are measured on the grey images, three-channel models on the colour images, all with
    the same noise on every run. With --pairs, on pairs of noisy and clean pictures instead.

    \b
    Examples:
      hinas-bench --data photos/ --limit 25 --gpu 1080ti --out results
      hinas-bench --figure 14a --data BSDS500/test --peers all --out figure
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
    # Before NumPy is loaded: its own threads would compete with the network's.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    if join:
        _join(tuple(join), out, quiet=quiet, as_json=as_json)
        return
    if operations is not None:
        require_libraries("hinas-bench --operations", "torch", "onnxscript", "scipy", extras="search,bench,cpu")
    from .bench_settings import (
        BenchSettings,
        QualitySettings,
        backends_from_options,
        only_size,
        precisions_from_options,
        sigmas_from_text,
        sizes_from_text,
    )
    from .devices.profile import device_profile
    from .latency.measure_latency import Rounds
    from .latency.progress import Listener, ProgressBars
    from .methods.peer_methods import weights_by_peer
    from .methods.program import program_from_text

    if pairs:
        from .pairs.measure_pairs import PROTOCOL_IN_WORDS
        from .pairs.pair_methods import Levels
        from .pairs_session import PairsSettings, run_pairs
        from .results.pairs_texts import pairs_table

        pairs_settings = PairsSettings(
            folders=tuple(dict.fromkeys(pairs)),
            models=tuple(model or ()),
            levels=Levels(
                given=() if sigma is None else sigmas_from_text(sigma),
                oracle=() if oracle is None else sigmas_from_text(oracle, option="--oracle"),
            ),
            limit=limit,
            threads=threads,
            out=out,
        )
        with ProgressBars(is_quiet=quiet) as bars:
            outcome = run_pairs(pairs_settings, Listener(note=bars.note, begin=bars.begin, step=bars.step))
        table = f"{pairs_table(outcome.results.entries, PROTOCOL_IN_WORDS)}\n"
        print(outcome.results.to_json() if as_json else table, end="")
        _say_written(outcome.files, quiet)
        return
    if operations is not None:
        from .prices.operation_prices import PriceSettings, operations_table, run_operations

        prices = PriceSettings(
            space=operations,
            size=only_size(size, "a latency table"),
            threads=threads,
            rounds=Rounds.at_least(rounds),
            check=check,
            seed=seed,
            command=" ".join(["hinas-bench", *sys.argv[1:]]),
            out=out,
        )
        with ProgressBars(is_quiet=quiet) as bars:
            priced = run_operations(prices, Listener(note=bars.note, begin=bars.begin, step=bars.step))
        print(priced.table.to_json() if as_json else operations_table(priced), end="" if as_json else "\n")
        _say_written(priced.files, quiet)
        return
    from .figure_run import FigureRequest, run_figure
    from .published.paper_figures import figure_named
    from .results.result_texts import results_table
    from .session import run_bench

    drawn = None
    if figure is not None:
        panel = figure_named(figure)
        level = panel.level(None if sigma is None else sigmas_from_text(sigma))
        drawn = FigureRequest(figure=panel, sigma=level, quality="ssim" if quality == "ssim" else "psnr_db")
        sigma = sigma if level is None else f"{level:g}"
    settings = BenchSettings(
        models=tuple(model or ()),
        backends=backends_from_options(backend or []),
        precisions=precisions_from_options(precision or []),
        peers=peers,
        peer_weights=weights_by_peer(peer_weights or []),
        quality=None
        if data is None
        else QualitySettings(
            data=data,
            limit=limit,
            sigmas=sigmas_from_text(DEFAULT_SIGMA if sigma is None else sigma),
            noise="standard" if noise is None else noise,
            programs=(
                *(program_from_text(text, 3) for text in command or ()),
                *(program_from_text(text, 1) for text in command_gray or ()),
            ),
        ),
        sizes=sizes_from_text(size),
        gpus=tuple({profile.name: profile for profile in map(device_profile, gpu or ())}.values()),
        threads=threads,
        rounds=Rounds.at_least(rounds) if rounds else None,
        out=out,
    )
    with ProgressBars(is_quiet=quiet) as bars:
        listener = Listener(note=bars.note, begin=bars.begin, step=bars.step)
        outcome = run_bench(settings, listener) if drawn is None else run_figure(settings, drawn, listener)
    print(outcome.results.to_json() if as_json else results_table(outcome.results), end="" if as_json else "\n")
    _say_written(outcome.files, quiet)


def _say_written(files: Sequence[Path], quiet: bool) -> None:
    if not quiet:
        print(f"wrote {', '.join(map(str, files))}", file=sys.stderr)


def _is_given(context: typer.Context, name: str) -> bool:
    source = context.get_parameter_source(name)
    return source is not None and source.name != "DEFAULT"


def _print_published(choice: str, as_json: bool) -> None:
    require_libraries("hinas-bench --published", "pydantic", extras="bench")
    from .published.published_figures import published_json, published_table, read_published, rows_matching

    rows = rows_matching(read_published(), choice)
    print(published_json(rows) if as_json else published_table(rows), end="" if as_json else "\n")


def _compare(old: Path, new: Path, as_json: bool) -> None:
    require_libraries("hinas-bench --compare", "pydantic", extras="bench")
    from .results.compare import compare_results
    from .results.comparison_text import comparison_json, comparison_table
    from .results.results_file import read_results

    comparison = compare_results(read_results(old), read_results(new))
    print(comparison_json(comparison) if as_json else comparison_table(comparison), end="" if as_json else "\n")


def _join(files: tuple[Path, ...], out: Path, *, quiet: bool, as_json: bool) -> None:
    from .join_session import JoinSettings, joined_table, run_join
    from .latency.progress import Listener, ProgressBars

    with ProgressBars(is_quiet=quiet) as bars:
        outcome = run_join(
            JoinSettings(files=files, out=out), Listener(note=bars.note, begin=bars.begin, step=bars.step)
        )
    print(outcome.results.to_json() if as_json else joined_table(outcome.results), end="" if as_json else "\n")
    _say_written(outcome.files, quiet)


def main() -> None:
    """Entry point of `hinas-bench`."""
    run_command(app)


if __name__ == "__main__":
    main()

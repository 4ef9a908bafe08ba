"""The command `hinas-export`: parse, call, print."""

import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from ..command_line import require_libraries, run_command
from ..errors import UserError
from .targets import TARGETS, file_of, targets_of

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)


@app.command()
def export(
    genotype: Annotated[Path, typer.Argument(help="The genotype.json of the network.", show_default=False)],
    out: Annotated[
        Path | None, typer.Option(help="The model file. Default: model.onnx beside the genotype.", show_default=False)
    ] = None,
    weights: Annotated[
        Path | None,
        typer.Option(help="Trained weights. Default: NAME.safetensors or weights.safetensors beside the genotype."),
    ] = None,
    random_weights: Annotated[
        bool, typer.Option("--random-weights", help="Untrained weights, for timing only; the file says so.")
    ] = False,
    target: Annotated[
        str, typer.Option(help=f"What to rewrite the graph for: {', '.join(TARGETS)}, or several with commas between.")
    ] = "ort",
    measure: Annotated[
        bool, typer.Option("--measure", help="Measure what each rewrite brings on this machine; takes minutes.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print nothing on success.")] = False,
) -> None:
    """Freeze a genotype and its weights to a checked ONNX model, and write a report of the checks beside it.

    With several targets the first one's file has the given name, another's its target in the name: model.openvino.onnx.

    Example: hinas-export runs/color/genotype.json
    """
    if random_weights and weights is not None:
        raise UserError("--weights and --random-weights: give one of the two")
    targets = targets_of(target)
    first = genotype.with_name("model.onnx") if out is None else out
    if first.suffix != ".onnx":
        raise UserError(f"--out: got {first}, expected a file name that ends in .onnx")
    require_libraries("hinas-export", "torch", "onnx", "onnxscript", "onnxruntime", "safetensors", extras="search")
    from .measure_rewrites import Effort, check_measurable, measured_target

    if measure:
        check_measurable(targets)
    from ..search.genotype import read_genotype
    from .freeze import finished_model, plain_export, write_export

    described = read_genotype(genotype)
    plain = plain_export(described, None if random_weights else weights or weights_beside(genotype))
    for each in targets:
        content, report = finished_model(plain, each)
        if measure:
            report = replace(report, timings=measured_target(plain.model, each, report.alignment, Effort()))
        path = file_of(each, targets, first)
        report_path = write_export(content, report, path)
        if as_json:
            print(report.to_json(), end="")
        elif not quiet:
            print(report.to_table())
            print(f"wrote {path} and {report_path}", file=sys.stderr)


def weights_beside(genotype: Path) -> Path:
    """The weights beside a genotype file: `<name>.safetensors`, else `weights.safetensors`."""
    candidates = (genotype.with_suffix(".safetensors"), genotype.with_name("weights.safetensors"))
    for candidate in candidates:
        if candidate.is_file():
            return candidate
    raise UserError(
        f"{candidates[0]}: no such weights file; train with hinas-train, give --weights FILE, "
        "or --random-weights for timing"
    )


def main() -> None:
    """Entry point of `hinas-export`."""
    run_command(app)


if __name__ == "__main__":
    main()

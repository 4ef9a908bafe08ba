"""The command `hinas-export`: parse, call, print."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from ..command_line import require_libraries, run_command
from ..errors import UserError

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
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print nothing on success.")] = False,
) -> None:
    """Freeze a genotype and its weights to a checked ONNX model, and write a report of the checks beside it.

    Example: hinas-export runs/color/genotype.json
    """
    if random_weights and weights is not None:
        raise UserError("--weights and --random-weights: give one of the two")
    target = genotype.with_name("model.onnx") if out is None else out
    if target.suffix != ".onnx":
        raise UserError(f"--out: got {target}, expected a file name that ends in .onnx")
    require_libraries("hinas-export", "torch", "onnx", "onnxscript", "onnxruntime", "safetensors", extras="search")
    from ..search.genotype import read_genotype
    from .freeze import frozen_model, write_export

    described = read_genotype(genotype)
    chosen = None if random_weights else weights or weights_beside(genotype)
    content, report = frozen_model(described, chosen)
    report_path = write_export(content, report, target)
    if as_json:
        print(report.to_json(), end="")
    elif not quiet:
        print(report.to_table())
        print(f"wrote {target} and {report_path}", file=sys.stderr)


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

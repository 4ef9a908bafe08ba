"""The command `hinas-export`: parse, call, print."""

from pathlib import Path
from typing import Annotated

import typer

from ..command_line import require_libraries, run_command
from ..errors import UserError
from .targets import PRECISIONS, TARGETS, precisions_of, targets_of

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)


@app.command()
def export(
    context: typer.Context,
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
        str | None,
        typer.Option(
            help=f"What to rewrite the graph for: {', '.join(TARGETS)}, or several with commas between. "
            "Default: ort; tensorrt with --engine."
        ),
    ] = None,
    precision: Annotated[
        str, typer.Option(help=f"What to compute in: {', '.join(PRECISIONS)}, or several with commas between.")
    ] = "fp32",
    calibration: Annotated[
        Path | None,
        typer.Option(help="int8: a folder of clean images its ranges are found on; not those of --check."),
    ] = None,
    check: Annotated[
        str | None,
        typer.Option(
            help="Measure on clean images (a folder, file or 'glob') what each precision costs.", show_default=False
        ),
    ] = None,
    max_drop: Annotated[
        float, typer.Option(help="--check: dB that a precision may lose against fp32 at any noise level, on average.")
    ] = 0.05,
    measure: Annotated[
        bool, typer.Option("--measure", help="Measure what each rewrite brings on this machine; takes minutes.")
    ] = False,
    engine: Annotated[
        bool, typer.Option("--engine", help="Also build the TensorRT engine for this machine's GPU, beside the model.")
    ] = False,
    io: Annotated[
        str,
        typer.Option(
            help="float: values 0..1, for hinas-denoise; uint8: pixels (N, H, W, C) in and out, for other programs."
        ),
    ] = "float",
    fixed_shape: Annotated[
        bool,
        typer.Option("--fixed-shape", help="The model takes windows of --tile WIDTHxHEIGHT, --batch at once, alone."),
    ] = False,
    triton: Annotated[
        Path | None,
        typer.Option(
            help="Also add the model, or with --engine the engine, to this Triton Inference Server repository.",
            show_default=False,
        ),
    ] = None,
    tile: Annotated[
        str,
        typer.Option(help="Engine, fixed shape: side of the tiles in pixels, or WIDTHxHEIGHT for windows of one size."),
    ] = "512",
    batch: Annotated[
        str,
        typer.Option(
            help="Engine, fixed shape, Triton: windows in one run, a number or FEWEST:TYPICAL:MOST such as 1:4:8."
        ),
    ] = "1",
    optimisation_level: Annotated[
        int, typer.Option(help="Engine: 0 to 5; higher builds longer for a faster engine.")
    ] = 3,
    workspace: Annotated[
        str | None, typer.Option(help="Engine: most GPU memory for one layer, such as 2GiB. Default: all of it.")
    ] = None,
    version_compatible: Annotated[
        bool, typer.Option("--version-compatible", help="Engine: later versions of TensorRT may load it.")
    ] = False,
    hardware_compatible: Annotated[
        bool, typer.Option("--hardware-compatible", help="Engine: other GPUs from Ampere on may run it.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print each report as JSON.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print nothing on success.")] = False,
) -> None:
    """Freeze a genotype and its weights to a checked ONNX model, and write a report of the checks beside it.

    With several targets or precisions the first ones' file has the given name, another's says what differs:
    model.openvino.bf16.onnx.

    \b
    Examples:
      hinas-export runs/color/genotype.json
      hinas-export runs/color/genotype.json --target ort,openvino --measure
      hinas-export runs/color/genotype.json --precision fp32,fp16 --check photos
      hinas-export runs/color/genotype.json --engine --tile 1024
      hinas-export runs/color/genotype.json --io uint8 --triton models --batch 8
    """
    if random_weights and weights is not None:
        raise UserError("--weights and --random-weights: give one of the two")
    given = {name for name in context.params if _is_given(context, name)}
    if random_weights and check is not None:
        raise UserError("--check: random weights denoise nothing that could get worse; give trained ones")
    targets = targets_of(target or ("tensorrt" if engine else "ort"))
    precisions = precisions_of(precision)
    if "int8" in precisions and calibration is None:
        raise UserError("--precision int8: needs real images to find its ranges on; give --calibration IMAGES")
    if calibration is not None and "int8" not in precisions:
        raise UserError("--calibration: concerns --precision int8 alone; add it, or leave it")
    if not max_drop >= 0:
        raise UserError(f"--max-drop: got {max_drop:g}, expected dB of at least 0")
    if engine and "tensorrt" not in targets:
        raise UserError(f"--target: got {target}, but an engine is built from the model for tensorrt; add it")
    model = genotype.with_name("model.onnx") if out is None else out
    if model.suffix != ".onnx":
        raise UserError(f"--out: got {model}, expected a file name that ends in .onnx")
    if triton is not None and len(targets) * len(precisions) > 1:
        raise UserError(
            f"--triton: serves one model; give one target and precision, not {', '.join((*targets, *precisions))}"
        )
    from .tensorrt.build_request import request_from_texts

    request = request_from_texts(
        tile=tile,
        batch=batch,
        optimisation_level=optimisation_level,
        workspace=workspace,
        version_compatible=version_compatible,
        hardware_compatible=hardware_compatible,
    )
    require_libraries("hinas-export", "torch", "onnx", "onnxscript", "onnxruntime", "safetensors", extras="search")
    from ..search.genotype import read_genotype
    from .export_run import ExportRequest, run_export
    from .option_uses import interface_of, require_used, triton_request

    require_used(given)
    interface = interface_of(io, fixed_shape, request)
    served = None if triton is None else triton_request(triton, model, request, has_engine=engine)

    described = read_genotype(genotype)
    exported = run_export(
        ExportRequest(
            genotype=described,
            weights=None if random_weights else weights or weights_beside(genotype),
            model=model,
            targets=targets,
            precisions=precisions,
            calibration=calibration,
            check=check,
            max_drop_db=max_drop,
            is_measured=measure,
            engine=request if engine else None,
            interface=interface,
            triton=served,
            quiet=quiet,
        )
    )
    for item in exported:
        if as_json:
            print(item.to_json(), end="")
        elif not quiet:
            print(item.to_table())


def _is_given(context: typer.Context, name: str) -> bool:
    source = context.get_parameter_source(name)
    return source is not None and source.name != "DEFAULT"


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

"""The command `hinas-export`: parse, call, print."""

import typer

from ..command_line import command_of, require_libraries, run_command
from .export_settings import ExportSettings

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)


def export(settings: ExportSettings) -> None:
    """Freeze a genotype and its weights to a checked ONNX model, and write a report of the checks beside it.

    With several targets or precisions the first ones' file has the given name, another's says what differs:
    model.openvino.bf16.onnx.

    \b
    Examples:
      hinas-export runs/color/genotype.json
      hinas-export color
      hinas-export runs/color/genotype.json --target ort,openvino --measure
      hinas-export runs/color/genotype.json --precision fp32,fp16 --check photos
      hinas-export runs/color/genotype.json --engine --tile 1024
      hinas-export runs/color/genotype.json --io uint8 --triton models --batch 8
      hinas-export --import ffdnet.onnx --condition sigma/255 --range 0:75
    """
    require_libraries("hinas-export", "torch", "onnx", "onnxscript", "onnxruntime", "safetensors", extras="search")
    from .export_run import run_export

    for report in run_export(settings):
        if settings.json:
            print(report.to_json(), end="")
        elif not settings.quiet:
            print(report.to_table())


app.command()(command_of(ExportSettings, export))


def main() -> None:
    """Entry point of `hinas-export`."""
    run_command(app)


if __name__ == "__main__":
    main()

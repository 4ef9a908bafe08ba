"""The command hinas-denoise: parse, call, print."""

from typing import Annotated

import typer

from ..command_line import run_command
from ..errors import UserError
from .model.model_lines import model_lines

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)


_MODELS = "\n".join(["Bundled models, thousands of multiply-adds a pixel, what they give (BSD200):", *model_lines()])


@app.command(epilog=f"\b\n{_MODELS}")
def denoise(
    *,
    inputs: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="INPUT",
            help="A picture (PNG, JPEG, TIFF, WebP, HEIC ...), a film (MP4, MKV ...), a folder, or several files, or a "
            "pattern such as 'photos/*.jpg'.",
            show_default=False,
        ),
    ] = None,
    target: Annotated[
        str,
        typer.Argument(
            metavar="OUTPUT", help="The picture or film to write, or a folder for a folder or several files."
        ),
    ],
    model: Annotated[
        str,
        typer.Option(
            help="auto (photo for photographs; color or gray for white noise), fast or best (a faster or better one "
            "of the same kind, where there is one), a bundled name, or a model file."
        ),
    ] = "auto",
    sigma: Annotated[
        str,
        typer.Option(
            help="Noise level in grey levels 0..255, or auto: estimated, or 'auto*1.5': the estimate times a number."
        ),
    ] = "auto",
    backend: Annotated[str, typer.Option(help="auto, tensorrt, cuda, openvino or cpu.")] = "auto",
    precision: Annotated[
        str,
        typer.Option(
            help="Of layers in floating point: fp32, bf16 (openvino alone: about twice as fast, loses up to 0.02 dB); "
            "int8: the model's int8 file (for processors with VNNI; loses about 0.05 dB); or auto: as the model file "
            "says."
        ),
    ] = "auto",
    tile: Annotated[str, typer.Option(help="Pixels per tile, or auto: by the memory. Does not change the result.")] = (
        "auto"
    ),
    memory: Annotated[
        str | None, typer.Option(help="Bound for the whole process, such as 2GiB. Default: half of the free memory.")
    ] = None,
    threads: Annotated[int | None, typer.Option(help="Processor threads. Default: one for each core.")] = None,
    strength: Annotated[
        float,
        typer.Option(
            help="1: the network's answer; 0: the picture as it is; between: a mixture. Above 1, up to 4: the network "
            "is told that many times the noise level, within the model's range."
        ),
    ] = 1.0,
    chroma: Annotated[
        float,
        typer.Option(
            help="0..2: what is done to the colours, times this. 0 takes brightness noise alone. No effect on grey "
            "pictures."
        ),
    ] = 1.0,
    ensemble: Annotated[
        bool, typer.Option("--ensemble", help="Average over 8 rotations: 8 times the work, about 0.08 dB.")
    ] = False,
    codec: Annotated[
        str,
        typer.Option(help="Of films: h264, hevc, vp9, av1, prores, ffv1 (without loss), or auto: that of the film."),
    ] = "auto",
    crf: Annotated[
        int | None,
        typer.Option(help="Of films: how closely they are compressed, lower is better. Default: 18 for h264, else 20."),
    ] = None,
    temporal: Annotated[
        bool,
        typer.Option("--temporal", help="Of films: average what stays the same from frame to frame; for calm scenes."),
    ] = False,
    deinterlace: Annotated[
        bool,
        typer.Option(
            "--deinterlace", help="Of interlaced films: make one picture of the two half pictures of each frame."
        ),
    ] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace files that exist.")] = False,
    skip_existing: Annotated[
        bool, typer.Option("--skip-existing", help="Leave files that exist: goes on with a run that was stopped.")
    ] = False,
    preview: Annotated[
        str | None,
        typer.Option(
            metavar="PAGE.html",
            help="Also write a page that compares the pictures before and after with a slider and shows where they "
            "changed most and least.",
        ),
    ] = None,
    ray: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            help="For folders: on a Ray cluster, with one worker for each GPU or core. host:port, or auto: one that "
            "runs here, else (or local) this machine alone. INPUT and OUTPUT may be addresses such as s3://bucket/folder.",
        ),
    ] = None,
    table: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="With --ray: the table of results and failures, .csv or .parquet. Default: a new .csv in OUTPUT.",
        ),
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print errors only.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object per picture or film.")] = False,
) -> None:
    """Take the noise out of a picture or a film, or of all of them in a folder.

    Depth, transparency, colour profile, EXIF and resolution are kept. A folder's sub-folders are kept too.
    Animations and TIFFs of several pages are taken picture by picture, films frame by frame.
    A TIFF or PNG that does not fit into the memory goes through in bands from disk to disk.

    \b
    Examples:
      hinas-denoise noisy.png clean.png
      hinas-denoise photos/ clean/ --sigma 15 --memory 2GiB
      hinas-denoise photos/*.jpg more/*.png clean/
      hinas-denoise photos/ clean/ --strength 1.5 --chroma 0.5
      hinas-denoise photos/ clean/ --model runs/found/model.onnx --backend tensorrt
      hinas-denoise photos/ clean/ --skip-existing
      hinas-denoise noisy.jpg clean.jpg --preview page.html
      hinas-denoise noisy.mp4 clean.mp4 --crf 16
      hinas-denoise s3://pictures/noisy s3://pictures/clean --ray auto --skip-existing
    """
    import logging
    import warnings

    from .amount import Amount
    from .denoise_request import Request, bytes_of, path_of, precision_of, sigma_factor_of, sigma_of, tile_of
    from .files.denoise_files import denoise_files
    from .files.named_pictures import NamedPictures, named_pictures
    from .files.reporting import Reporter
    from .films.encoders import codec_of, crf_of
    from .memory.process_memory import refuse_more_than_is_free

    # Said here, for typer would name the wrong one.
    if not inputs:
        raise UserError(f"{target}: one name alone; give what to read and what to write, such as {target} OUTPUT")
    if ray is not None and len(inputs) > 1:
        raise UserError(f"--ray {ray}: takes one folder, not {len(inputs)} names")
    # On a cluster the folder may be an address.
    whole = NamedPictures(source=path_of(inputs[0], "INPUT"), files=None)
    named = named_pictures(inputs, target) if ray is None else whole
    request = Request(
        source=named.source,
        files=named.files,
        target=path_of(target, "OUTPUT"),
        model=model,
        sigma=sigma_of(sigma),
        sigma_factor=sigma_factor_of(sigma),
        backend=backend,
        precision=precision_of(precision),
        tile=tile_of(tile),
        memory_bytes=None if memory is None else bytes_of(memory),
        threads=threads,
        amount=Amount(strength=strength, chroma=chroma),
        ensemble=ensemble,
        codec=codec_of(codec),
        crf=crf_of(crf),
        temporal=temporal,
        deinterlace=deinterlace,
        overwrite=overwrite,
        skip_existing=skip_existing,
        preview=None if preview is None else path_of(preview, "--preview"),
    )
    reporter = Reporter(quiet=quiet, json=json)
    if ray is not None:
        from .cluster.cluster_run import ClusterRequest, denoise_on_cluster

        denoise_on_cluster(
            ClusterRequest(source=inputs[0], target=target, address=ray, table=table, request=request), reporter
        )
        return
    if table is not None:
        raise UserError(f"--table {table}: is written with --ray alone; leave it out, or use --json")
    refuse_more_than_is_free()
    # They describe every damaged tag on stderr; tags are copied as they are, and what matters comes as one error.
    logging.getLogger("tifffile").addHandler(logging.NullHandler())
    warnings.filterwarnings("ignore", module=r"(PIL|tifffile|imagecodecs)\b")
    denoise_files(request, reporter)


def main() -> None:
    """The entry point of hinas-denoise."""
    run_command(app)


if __name__ == "__main__":
    main()

"""Denoise a file to a file, or every picture of a folder to a folder of the same shape."""

import time
import warnings
from dataclasses import dataclass
from pathlib import Path

from ..atomic_files import written_whole
from ..errors import UserError
from .denoise import Denoiser
from .image_files import SUFFIXES, check_writable, format_for, read_picture, write_picture
from .picture import Picture
from .reporting import Reporter


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """What a person asked for."""

    source: Path
    """A picture file or a folder."""
    target: Path
    """A file for a file, a folder for a folder."""
    model: str = "auto"
    """auto: the bundled gray or color, as the picture is; else a bundled name or a path."""
    sigma: float | None = None
    """Grey levels 0..255; None: estimated on each picture where the model needs it."""
    backend: str = "auto"
    """As `open_backend` takes it."""
    tile: int | None = None
    """Pixels; None: by the memory."""
    memory_bytes: int | None = None
    """Bound for the whole process; None: half of the free memory."""
    threads: int | None = None
    """None: the library's choice."""
    strength: float = 1.0
    """0..1: how much of the network's answer is mixed into the picture."""
    ensemble: bool = False
    """Average over eight rotations and reflections."""
    overwrite: bool = False
    """Whether files that exist may be replaced."""


def denoise_files(request: Request, reporter: Reporter) -> None:
    """Do what `request` asks. Raises UserError: at once for a single file, at the end for a folder's failures."""
    models = _Models(request, reporter)
    if not request.source.exists():
        raise UserError(f"{request.source}: no such file or folder")
    if not request.source.is_dir():
        target = request.target / request.source.name if request.target.is_dir() else request.target
        _denoise_file(request.source, target, request, models, reporter)
        return
    pairs = _pairs(request.source, request.target, reporter)
    failed: list[Path] = []
    for source, target in pairs:
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            _denoise_file(source, target, request, models, reporter)
        except UserError as error:
            failed.append(source)
            reporter.failure(source, str(error))
        except OSError as error:
            failed.append(source)
            reporter.failure(source, f"{target.parent}: cannot create the folder ({error.strerror})")
    if failed:
        names = "\n".join(f"  {source}" for source in failed)
        raise UserError(f"{len(failed)} of {len(pairs)} pictures failed, the others are written:\n{names}")


class _Models:
    """The denoisers a run needs, each loaded once, on first use."""

    def __init__(self, request: Request, reporter: Reporter) -> None:
        self._request = request
        self._reporter = reporter
        self._loaded: dict[str, Denoiser] = {}

    def for_picture(self, picture: Picture) -> tuple[str, Denoiser]:
        """(name, denoiser)"""
        request = self._request
        name = request.model if request.model != "auto" else "color" if picture.is_colour else "gray"
        if name not in self._loaded:
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                self._loaded[name] = Denoiser.load(
                    name,
                    request.backend,
                    threads=request.threads,
                    memory_bytes=request.memory_bytes,
                    tile=request.tile,
                    ensemble=request.ensemble,
                )
            for warning in caught:
                self._reporter.note(str(warning.message))
        return name, self._loaded[name]


def _pairs(source: Path, target: Path, reporter: Reporter) -> list[tuple[Path, Path]]:
    """(picture, file to write) for every picture below the folder `source`, sorted; other files get a word."""
    if target.exists() and not target.is_dir():
        raise UserError(f"{target}: is a file, but {source} is a folder; give a folder to write to")
    outputs = target.resolve()

    def is_own_output(file: Path) -> bool:
        """A target inside the source must not be read as input on a second run."""
        return outputs != source.resolve() and outputs in file.resolve().parents

    pairs: list[tuple[Path, Path]] = []
    skipped: list[Path] = []
    for file in sorted(source.rglob("*")):
        # Hidden files are other programs' notes on pictures, or what a killed run left.
        if not file.is_file() or file.name.startswith(".") or is_own_output(file):
            continue
        if file.suffix.lower() in SUFFIXES:
            pairs.append((file, target / file.relative_to(source)))
        else:
            skipped.append(file)
    if skipped:
        named = ", ".join(str(file.relative_to(source)) for file in skipped[:5])
        more = f" and {len(skipped) - 5} more" if len(skipped) > 5 else ""
        reporter.note(f"skipped, not pictures by their names: {named}{more}")
    if not pairs:
        raise UserError(f"{source}: no pictures in this folder (looked for {', '.join(SUFFIXES)})")
    return pairs


def _denoise_file(source: Path, target: Path, request: Request, models: _Models, reporter: Reporter) -> None:
    started = time.perf_counter()
    format = format_for(target)
    if target.exists() and not request.overwrite:
        raise UserError(f"{target}: exists already; add --overwrite to replace it, or choose another name")
    if not target.parent.is_dir():
        raise UserError(f"{target.parent}: no such folder; create it first or choose another output path")
    picture = read_picture(source)
    for note in picture.notes:
        reporter.note(f"{source}: {note}")
    try:
        check_writable(picture, format)
        name, denoiser = models.for_picture(picture)
        if denoiser.manifest.weights == "random":
            reporter.note(f"model {name}: its weights are random (made for timing); the result is worthless")
        level = denoiser.noise_level(picture.pixels, request.sigma)
        if level.estimate is not None and level.sigma not in (level.estimate, 0.0):
            reporter.note(f"{source}: {denoiser.range_note(level)}")
        with reporter.tiles(source.name) as progress, warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            clean = denoiser(picture.pixels, level.sigma, strength=request.strength, progress=progress)
        for message in dict.fromkeys(str(warning.message) for warning in caught):
            reporter.note(f"{source}: {message}")
    except UserError as error:
        raise UserError(f"{source}: {error}") from error
    with written_whole(target) as temporary:
        write_picture(picture.with_pixels(clean), temporary, format=format)
    seconds = time.perf_counter() - started
    if level.sigma is None:
        sigma_text = ""
    else:
        sigma_text = f", sigma {level.sigma:.1f} ({'estimated' if level.is_estimated else 'given'})"
    kind = "colour" if picture.is_colour else "grey"
    what = f"{picture.size_text} {kind} {picture.bits}-bit"
    reporter.result(
        f"{source} -> {target}  {what}{sigma_text}, model {name}, {seconds:.2f} s",
        {
            "input": str(source),
            "output": str(target),
            "width": picture.pixels.shape[1],
            "height": picture.pixels.shape[0],
            "channels": 3 if picture.is_colour else 1,
            "bits": picture.bits,
            "sigma": level.sigma,
            "sigma_estimate": level.estimate,
            "model": name,
            "backend": denoiser.description,
            "seconds": round(seconds, 3),
            "notes": list(picture.notes),
        },
    )

"""Any program as a method that is scored: it reads one 8-bit PNG and writes another."""

import os
import shlex
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ...errors import UserError
from ..devices.environment import Machine
from ..quality.measure_quality import ScoredMethod

TIME_LIMIT_S = 600.0
"""For one image."""
_SIGMA = "{sigma}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Program:
    """A command line with places for its files, such as `denoise {in} {out} {sigma}`."""

    text: str
    """As a person gave it."""
    arguments: tuple[str, ...]
    """Split as a shell would, the places still in it; no shell ever sees them."""
    channels: Literal[1, 3]
    """1: it gets grey images; 3: colour images."""

    @property
    def name(self) -> str:
        """The program without its folder, and its arguments without those for the files."""
        program, *rest = self.arguments
        kept = [part for part in rest if "{in}" not in part and "{out}" not in part]
        return " ".join([Path(program).name, *kept])


def program_from_text(text: str, channels: Literal[1, 3]) -> Program:
    """Parse a command line; UserError where it lacks {in} or {out} or there is no such program."""
    option = "--command" if channels == 3 else "--command-gray"
    try:
        arguments = tuple(shlex.split(text))
    except ValueError as error:
        raise UserError(f"{option} {text!r}: cannot be split into arguments ({error})") from error
    for place in ("{in}", "{out}"):
        if not any(place in part for part in arguments):
            raise UserError(f"{option} {text!r}: lacks {place}; expected such as 'denoise {{in}} {{out}} {{sigma}}'")
    if shutil.which(arguments[0]) is None:
        raise UserError(f"{option} {text!r}: no program {arguments[0]!r} here")
    return Program(text=text, arguments=arguments, channels=channels)


def scored_programs(programs: Sequence[Program], machine: Machine, taken: Sequence[str]) -> list[ScoredMethod]:
    """The programs as methods, with names that differ from each other's and from those `taken`; each program once.

    Programs read 8-bit files: they are for the `file` noise alone.
    """
    once = list(dict.fromkeys(programs))
    names = [*taken, *(program.name for program in once)]
    return [
        _method(program, program.name if names.count(program.name) == 1 else program.text, machine) for program in once
    ]


def _method(program: Program, name: str, machine: Machine) -> ScoredMethod:
    def denoise(noisy: NDArray[np.float32], sigma: float) -> NDArray[np.float32]:
        return _run(program, np.rint(noisy * 255).astype(np.uint8), sigma).astype(np.float32) / np.float32(255)

    return ScoredMethod(
        name=name,
        channels=program.channels,
        sigma_range=None,
        denoise=denoise,
        facts={
            "device": machine.cpu,
            "source": f"program: {program.text}",
            "note": "the time includes the program's start and its files for every image",
        },
    )


def _run(program: Program, noisy: NDArray[np.uint8], sigma: float) -> NDArray[np.uint8]:
    """In the caller's folder, so that relative paths in the command line hold; the files lie in one of their own."""
    with tempfile.TemporaryDirectory(prefix="hinas-") as folder:
        values = {"{in}": f"{folder}/noisy.png", "{out}": f"{folder}/denoised.png", _SIGMA: f"{sigma:g}"}
        Image.fromarray(noisy).save(values["{in}"], compress_level=0)
        arguments = [_filled(part, values) for part in program.arguments]
        _call(arguments, Path(folder) / "messages")
        return _read(Path(values["{out}"]), noisy.shape)


def _filled(part: str, values: dict[str, str]) -> str:
    for place, value in values.items():
        part = part.replace(place, value)
    return part


def _call(arguments: Sequence[str], messages: Path) -> None:
    # A file, not a pipe: what a program leaves running cannot keep us waiting.
    with messages.open("wb") as stream:
        try:
            process = subprocess.Popen(
                arguments, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=stream, start_new_session=True
            )
        except OSError as error:
            raise UserError(f"cannot be started ({error.strerror})") from error
        try:
            status = process.wait(TIME_LIMIT_S)
        except subprocess.TimeoutExpired as error:
            raise UserError(f"took more than {TIME_LIMIT_S:g} s for one image and was stopped") from error
        finally:
            _stop(process)
    if status != 0:
        lines = messages.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        raise UserError(f"exit status {status}: {lines[-1].strip()[:200] if lines else 'nothing on stderr'}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End the program, if it still runs, with all that it started."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _read(file: Path, shape: tuple[int, ...]) -> NDArray[np.uint8]:
    try:
        with Image.open(file) as picture:
            mode, pixels = picture.mode, np.asarray(picture)
    except FileNotFoundError as error:
        raise UserError("ended without an error, but wrote no image") from error
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise UserError(f"wrote something that is no image ({error})") from error
    expected = "L" if len(shape) == 2 else "RGB"
    if mode != expected or pixels.shape != shape:
        found = f"{pixels.shape[1]}x{pixels.shape[0]} pixels of Pillow's mode {mode}"
        raise UserError(f"wrote {found}, expected {shape[1]}x{shape[0]} of mode {expected}")
    return pixels

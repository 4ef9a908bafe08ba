"""What every library's backend checks and says: the graph against its manifest, the number of threads, errors."""

import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from ...errors import UserError
from ..model.manifest import ModelManifest

_MOST_THREADS = max(64, 4 * (os.cpu_count() or 1))
"""Threads without a core of their own only wait, and thousands of them take minutes to start."""


def check_threads(threads: int | None) -> None:
    """Raise UserError for a number of processor threads that no library should be asked for; None: not asked for."""
    if threads is not None and not 1 <= threads <= _MOST_THREADS:
        raise UserError(f"threads is {threads}; allowed: a whole number from 1 to {_MOST_THREADS}")


@dataclass(frozen=True, slots=True)
class GraphInput:
    """An input as a library tells it."""

    type: str
    """In the library's own words."""
    shape: tuple[object, ...]
    """Numbers where the length is fixed."""


def check_interface(
    manifest: ModelManifest, inputs: Mapping[str, GraphInput], outputs: Collection[str], *, float_type: str
) -> None:
    """Raise UserError where names, types or channels are not what the manifest promises.

    `float_type`: the library's name of float32.
    """
    if manifest.io != "float":
        raise UserError(
            f"the model takes {manifest.io} pixels, which is for other programs; hinas takes models with "
            "--io float: export it again without --io"
        )
    expected = ["noisy", "sigma"] if manifest.conditioned else ["noisy"]
    if sorted(inputs) != expected or list(outputs) != ["denoised"]:
        raise UserError(
            f"not a hinas model: inputs {', '.join(sorted(inputs))} and outputs {', '.join(outputs)}; "
            f"expected {', '.join(expected)} and denoised"
        )
    for name, value in inputs.items():
        if value.type != float_type:
            raise UserError(f"input {name} is {value.type}; this backend takes {float_type}")
    shape = inputs["noisy"].shape
    if len(shape) != 4 or shape[1] != manifest.channels:
        channels = shape[1] if len(shape) > 1 else "no"
        raise UserError(f"the graph takes {channels} channels, but hinas.channels is {manifest.channels}")


def check_any_size(inputs: Mapping[str, GraphInput]) -> None:
    """Raise UserError for a graph of one shape; `check_interface` comes first."""
    shape = inputs["noisy"].shape
    if any(isinstance(length, int) for length in (shape[0], *shape[2:])):
        raise UserError(
            f"the model takes inputs of shape {shape} alone, but hinas cuts pictures into windows of other "
            "sizes; export it again without --fixed-shape"
        )


def cannot_run(error: Exception) -> UserError:
    """What to tell a person whose model loads and then fails."""
    return UserError(f"the model does not run: damaged, or not for this backend ({last_line(error)})")


def first_line(error: Exception) -> str:
    """The first line of a library's error."""
    return _lines(error)[0][:200]


def last_line(error: Exception) -> str:
    """The last line of a library's error: the first ones may name its own source files alone."""
    return _lines(error)[-1][:200]


def _lines(error: Exception) -> list[str]:
    return [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]

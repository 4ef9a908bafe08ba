"""What running a wrapped network shows: which sizes it takes, and how many times it enlarges."""

from dataclasses import dataclass

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray

from ...errors import UserError
from ...network_input import NetworkInput
from ..reach.seen_halo import Run

_ALIGNMENTS = (1, 2, 4, 8, 16, 32, 64)
_SCALES = (1, 2, 3, 4)
"""Output pixels per input pixel along each side; above 1: super-resolution."""
_UNKNOWN_RANGE = (0.0, 255.0)


@dataclass(frozen=True, kw_only=True)
class Taken:
    """What a network turned out to take."""

    given: NetworkInput
    """Its alignment is the smallest power of two whose multiples it takes."""
    takes_batches: bool
    """Whether several images may go through it at once."""


def run_of(model: onnx.ModelProto) -> Run:
    """A model in ONNX Runtime on one processor. UserError where it does not load."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    try:
        session = onnxruntime.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"], enable_fallback=0
        )
    except Exception as error:  # ONNX Runtime's exceptions share no public base class
        raise UserError(f"ONNX Runtime does not load it ({str(error).splitlines()[0][:200]})") from error
    return lambda feeds: np.asarray(session.run(None, feeds)[0])


def tried(
    model: onnx.ModelProto, *, channels: int, is_told: bool, level_range: tuple[float, float] | None = None
) -> Taken:
    """Run a model in hinas's own form on several sizes. UserError with the reason where no size works."""
    run = run_of(model)
    levels = (level_range or _UNKNOWN_RANGE) if is_told else None
    reason = ""
    for alignment in _ALIGNMENTS:
        given = NetworkInput(channels=channels, alignment=alignment, level_range=levels)
        scale = None
        # The smallest images too: where a network pads by reflection, they may be too small for it.
        for sides in ((64 + alignment, 64 + 2 * alignment), (64 + 3 * alignment, 64), (alignment, alignment)):
            feeds = trial_feeds(given, (1, *sides))
            try:
                shape = run(feeds).shape
            except Exception as error:
                reason, scale = str(error).splitlines()[0][:200], None
                break
            found = next((n for n in _SCALES if shape == (1, channels, n * sides[0], n * sides[1])), None)
            if found is None or scale not in (None, found):
                reason, scale = f"an image {feeds['noisy'].shape} becomes {shape}", None
                break
            scale = found
        if scale is not None:
            given = NetworkInput(channels=channels, alignment=alignment, scale=scale, level_range=levels)
            return Taken(given=given, takes_batches=_takes_batches(run, given))
    raise UserError(
        f"does not turn images into images of their size or {_SCALES[1]} to {_SCALES[-1]} times as large, whatever the "
        f"multiple of pixels ({reason})"
    )


def trial_feeds(given: NetworkInput, shape: tuple[int, int, int], *, seed: int = 0) -> dict[str, NDArray[np.float32]]:
    """Inputs of random pixels: `shape` is (batch, height, width); the levels are spread over the network's range."""
    batch, height, width = shape
    noisy = np.random.default_rng(seed).random((batch, given.channels, height, width), dtype=np.float32)
    if given.level_range is None:
        return {"noisy": noisy}
    low, high = given.level_range
    return {"noisy": noisy, "sigma": np.linspace((low + high) / 2, low, batch, dtype=np.float32)}


def _takes_batches(run: Run, given: NetworkInput) -> bool:
    side = 64 + -64 % given.alignment
    feeds = trial_feeds(given, (2, side, side))
    try:
        return run(feeds).shape[0] == 2
    except Exception:
        return False

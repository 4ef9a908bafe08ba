"""Hold an exported model to the network it came from: outputs on awkward sizes, and the halo by a probe."""

from collections.abc import Iterable, Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass

import numpy as np
import onnx
import torch
from torch import Tensor, nn

from ...errors import UserError
from ...network_input import NetworkInput
from .model_runs import ModelRun, opened_in_onnxruntime

CHECKED_SIZES = ((1, 1), (1, 7), (5, 3), (16, 16), (33, 47), (64, 96), (101, 67))
"""Image sizes (height, width) compared: one pixel, thin, smaller than any halo, odd, larger than the halo."""
TOLERANCE = 1e-4
"""Largest absolute difference allowed for images in 0..1: a fortieth of an 8-bit grey level."""


@dataclass(frozen=True, kw_only=True)
class NumericsReport:
    """How far the model's output was from the network's."""

    sizes: tuple[tuple[int, int], ...]
    """(height, width) compared, each with a batch of 1 and of 2, before padding to the alignment."""
    largest_difference: float
    mean_difference: float
    tolerance: float


def check_numerics(
    model: onnx.ModelProto,
    network: nn.Module,
    given: NetworkInput,
    *,
    sizes: Sequence[tuple[int, int]] = CHECKED_SIZES,
    tolerance: float = TOLERANCE,
) -> NumericsReport:
    """Compare the model in ONNX Runtime with the network in torch, both fp32.

    Raises UserError naming size and difference where they part by more than `tolerance` or a value is not finite.
    """
    run = opened_in_onnxruntime(model)
    differences: list[np.ndarray] = []
    for (height, width), feeds in checked_feeds(given, sizes):
        exported = run(feeds)
        with torch.no_grad():
            expected = network(*map(torch.from_numpy, feeds.values())).numpy()
        if exported.shape != expected.shape:
            raise UserError(f"at {width}x{height} the model gives shape {exported.shape}, torch {expected.shape}")
        difference = np.abs(exported - expected)
        if not np.isfinite(difference).all():
            raise UserError(f"at {width}x{height} the output is not finite; the weights are unusable")
        if difference.max() > tolerance:
            raise UserError(
                f"at {width}x{height} the ONNX model differs from the network by {difference.max():.2e}, "
                f"more than {tolerance:.0e}; nothing was written"
            )
        differences.append(difference.ravel())
    joined = np.concatenate(differences)
    return NumericsReport(
        sizes=tuple(sizes),
        largest_difference=float(joined.max()),
        mean_difference=float(joined.mean()),
        tolerance=tolerance,
    )


def checked_feeds(
    given: NetworkInput, sizes: Sequence[tuple[int, int]] = CHECKED_SIZES
) -> Iterator[tuple[tuple[int, int], dict[str, np.ndarray]]]:
    """Every size (height, width) with a model's inputs for it, a batch of 1 and one of 2, the same on every call."""
    random = np.random.default_rng(0)
    unit = given.alignment
    for height, width in sizes:
        for batch in (1, 2):
            noisy = random.random((batch, given.channels, height, width), dtype=np.float32)
            noisy = np.pad(noisy, ((0, 0), (0, 0), (0, -height % unit), (0, -width % unit)), mode="reflect")
            feeds = {"noisy": noisy}
            if given.level_range is not None:
                feeds["sigma"] = np.linspace(*given.level_range, batch, dtype=np.float32)
            yield (height, width), feeds


def largest_difference(reduced: ModelRun, full: ModelRun, feeds: Iterable[dict[str, np.ndarray]]) -> float:
    """How far a reduced model's output is from the fp32 model's; UserError where it is not finite."""
    # Of NumPy: Python's own max passes over a NaN that is not the first.
    largest = float(np.max([np.abs(reduced(item) - full(item)).max() for item in feeds]))
    if not np.isfinite(largest):
        raise UserError("in the reduced precision the output is not finite; nothing was written for it")
    return largest


def probed_halo(network: nn.Module, given: NetworkInput, *, halo: int) -> int:
    """The receptive-field radius in input pixels as the network itself shows it, up to `halo` + 2 * alignment.

    A NaN in one input pixel makes exactly those outputs NaN that can see it, whatever the weights are. Output pixel
    (y, x) stands at input pixel (y // scale, x // scale). Every position within the alignment is tried: behind a lower
    resolution one sees further than another. Double precision keeps torch on kernels that do not mix neighbouring
    outputs. Not for a network that sees the whole image: there is no radius to find.
    """
    network = deepcopy(network).double().eval()
    return max(_spread(network, given, reach=halo + 2 * given.alignment, axis=axis) for axis in (2, 3))


def _spread(network: nn.Module, given: NetworkInput, *, reach: int, axis: int) -> int:
    """Largest distance along an axis, in input pixels, at which an output turns NaN when an input pixel is.

    Strips of pixels along the axis, one for each position of a NaN, are as wide as the alignment: the reach along one
    axis does not depend on the other, and strips are a small part of a square.
    """
    alignment = given.alignment
    centre = reach + -reach % alignment
    positions = range(centre, centre + alignment)
    noisy = torch.zeros(alignment, given.channels, alignment, 2 * centre + alignment, dtype=torch.float64)
    for strip, at in zip(noisy, positions, strict=True):
        strip[:, :, at] = float("nan")
    arguments = (noisy if axis == 3 else noisy.mT,)
    if given.conditioned:
        arguments += (torch.zeros(alignment, dtype=torch.float64),)
    with torch.no_grad():
        output: Tensor = network(*arguments)
    touched = torch.isnan(output).any(dim=1).any(dim=4 - axis)
    distances = [(seen.nonzero() // given.scale - at).abs() for seen, at in zip(touched, positions, strict=True)]
    return max(int(distance.max()) if len(distance) else 0 for distance in distances)

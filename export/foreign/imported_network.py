"""A network from elsewhere, understood: wrapped in hinas's interface, compared with the original, its halo found."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import onnx
from numpy.typing import NDArray

from ...errors import UserError
from ...network_input import NetworkInput
from ...runtime.model.manifest import ModelManifest, Precision
from ..graph.graph_inputs import fed, shape_of
from ..reach.seen_halo import Run
from .foreign_file import in_new_enough_opset
from .foreign_inputs import ForeignInputs, recognised
from .foreign_use import ForeignUse
from .own_form import in_own_form, with_sizes
from .tiling_evidence import TOLERANCE, TilingEvidence, tiling_evidence
from .trial import Taken, run_of, trial_feeds, tried

_REDUCED = (1, 2, 4)
"""How many times smaller than the image a map of the noise level may be."""


@dataclass(frozen=True, kw_only=True)
class ImportedNetwork:
    """What hinas runs, and what it knows of it."""

    model: onnx.ModelProto
    """In hinas's own form, in fp32, without its manifest."""
    inputs: ForeignInputs
    use: ForeignUse
    given: NetworkInput
    reduced: int
    """How many times smaller than the image the map of the noise level is; 1 where it takes none."""
    takes_batches: bool
    """Whether several images may go through it at once."""
    tiling: TilingEvidence
    compared_sizes: tuple[tuple[int, int], ...]
    """(height, width) at which its outputs were compared with the original's."""
    largest_difference: float
    """Of those outputs, values in 0..1."""

    @property
    def task_name(self) -> str:
        """What it is for."""
        return "denoise" if self.given.scale == 1 else "super-resolution"

    def manifest(self, precision: Precision = "fp32", *, source: Mapping[str, str] | None = None) -> ModelManifest:
        """What a file of it says of itself. `source`: where it came from, by whatever names."""
        facts = {
            **(source or {}),
            "condition": self.use.condition,
            "values": self.use.values,
            "predicts": self.use.predicts,
            "tiling": self.tiling.reason,
        }
        return ModelManifest(
            channels=self.given.channels,
            scale=self.given.scale,
            task=self.task_name,
            halo=self.tiling.halo,
            alignment=self.given.alignment,
            tiling=self.tiling.tiling,
            conditioned=self.given.conditioned,
            sigma_range=self.given.level_range or self.use.level_range,
            precision=precision,
            weights="trained",
            genotype="{}",
            training=json.dumps({"imported": facts}, separators=(",", ":"), sort_keys=True),
        )


def imported(original: onnx.ModelProto, use: ForeignUse) -> ImportedNetwork:
    """Understand a network and confirm it by running it.

    Raises UserError that says what its inputs look like, where it cannot be fed or does not run; RuntimeError where
    the wrapped network does something else than the original, a defect of ours.
    """
    inputs = recognised(original)
    named = in_new_enough_opset(original)
    wrapped, taken, reduced = _wrapped(named, inputs, use)
    run = run_of(wrapped)
    given, evidence = tiling_evidence(wrapped, run, taken.given)
    sizes, difference = _compared(original, run, inputs, use, given, reduced)
    return ImportedNetwork(
        model=with_sizes(wrapped, scale=given.scale, takes_batches=taken.takes_batches),
        inputs=inputs,
        use=use,
        given=given,
        reduced=reduced,
        takes_batches=taken.takes_batches,
        tiling=evidence,
        compared_sizes=sizes,
        largest_difference=difference,
    )


def _wrapped(named: onnx.ModelProto, inputs: ForeignInputs, use: ForeignUse) -> tuple[onnx.ModelProto, Taken, int]:
    """The network in hinas's form, what it takes, and the resolution of its noise map, by trying."""
    first_problem: UserError | None = None
    for reduced in _REDUCED if inputs.form == "map" else (1,):
        wrapped = in_own_form(named, inputs, use, reduced=reduced)
        try:
            taken = tried(
                wrapped, channels=inputs.channels, is_told=inputs.form is not None, level_range=use.level_range
            )
            return wrapped, taken, reduced
        except UserError as error:
            first_problem = first_problem or error
    assert first_problem is not None
    if inputs.fixed_size is not None:
        height, width = (side or "any" for side in inputs.fixed_size)
        raise UserError(
            f"takes images of {height} x {width} pixels alone, and does not run on others; export it with free height "
            "and width (dynamic_axes, or dynamic_shapes, of torch.onnx.export)"
        ) from first_problem
    raise first_problem


def _compared(
    original: onnx.ModelProto, run: Run, inputs: ForeignInputs, use: ForeignUse, given: NetworkInput, reduced: int
) -> tuple[tuple[tuple[int, int], ...], float]:
    """The sizes at which the wrapped network was compared with the original, and the largest difference."""
    image = next(item for item in fed(original.graph) if item.name == inputs.image)
    batch, _, *fixed = shape_of(image)
    unit = given.alignment
    tried_sizes = ((unit, unit), (3 * unit, 5 * unit), (64 + -64 % unit, 96 + -96 % unit))
    if inputs.fixed_size is not None:
        sizes = tuple(
            (height, width)
            for height, width in [tuple(own or usual for own, usual in zip(fixed, tried_sizes[-1], strict=True))]
            if height % unit == width % unit == 0
        )
    else:
        sizes = tried_sizes
    theirs = run_of(original)
    largest = 0.0
    for seed, (height, width) in enumerate(sizes):
        feeds = trial_feeds(given, (batch or 1, height, width), seed=seed)
        found, expected = run(feeds), _answer(theirs, feeds, inputs, use, reduced)
        if not np.isfinite(expected).all():
            raise UserError(f"at {width}x{height} its output is not finite; its weights are unusable")
        # Of NumPy: Python's own max passes over a NaN that is not the first.
        largest = float(np.maximum(largest, np.abs(found - expected).max()))
    if not largest <= TOLERANCE:
        raise RuntimeError(f"the wrapped network differs from the original by {largest:.1e}")
    return sizes, largest


def _answer(
    theirs: Run, feeds: Mapping[str, NDArray[np.float32]], inputs: ForeignInputs, use: ForeignUse, reduced: int
) -> NDArray[np.float32]:
    """What the original makes of the same image and level, as values in 0..1."""
    factor, shift = use.affine
    noisy = feeds["noisy"]
    image = (noisy * np.float32(factor) + np.float32(shift)).astype(np.float32)
    given = {inputs.image: image}
    if inputs.form is not None:
        batch, _, height, width = noisy.shape
        level = (feeds["sigma"] * np.float32(use.level_factor or 1 / 255)).astype(np.float32)
        spread = np.broadcast_to(level.reshape(-1, 1, 1, 1), (batch, 1, height // reduced, width // reduced))
        shapes = {"list": (batch,), "column": (batch, 1), "scalar": (batch, 1, 1, 1)}
        if inputs.form == "channel":
            given = {inputs.image: np.concatenate([image, spread], axis=1)}
        else:
            assert inputs.level is not None
            given[inputs.level] = (
                np.ascontiguousarray(spread) if inputs.form == "map" else level.reshape(shapes[inputs.form])
            )
    output = theirs(given)
    clean = noisy * np.float32(factor) - output if use.predicts == "noise" else output - np.float32(shift)
    return np.divide(clean, np.float32(factor), dtype=np.float32)

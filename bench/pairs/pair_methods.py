"""What denoises the noisy pictures of pairs: hinas-denoise itself, by its own choice or with a model that was named."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from ...errors import UserError
from ...runtime.denoise_request import Request
from ...runtime.files.picture_stages import Job, PictureStages
from ...runtime.model.model_bytes import model_bytes
from ...runtime.pictures.picture import Picture
from ..methods.lower_precision import manifest_of
from ..methods.network_files import NetworkFile, network_files
from ..quality.measure_quality import NOISY_INPUT

AUTO = "auto"
"""The name of the method that is hinas-denoise without any option."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Levels:
    """The noise levels that the models are told, in grey levels 0..255."""

    given: tuple[float, ...] = ()
    """None: estimated on each noisy picture."""
    oracle: tuple[float, ...] = ()
    """To look for the best among, knowing the clean pictures."""


@dataclass(frozen=True, kw_only=True, slots=True)
class DenoisedPicture:
    """What a method made of a noisy picture."""

    asked: float | None
    """The level that the method was told; None: its own choice."""
    pixels: NDArray[np.uint8]
    """(H, W) or (H, W, 3), as the file would hold it before it is compressed."""
    model: str | None
    """The model that ran; None: none did."""
    sigma: float | None
    """The level that the network was told; None: it takes none."""
    estimate: float | None
    """The level measured on the picture; None: none was."""
    library: str | None
    """What ran the model."""


@dataclass(frozen=True, kw_only=True)
class PairMethod:
    """Something that denoises picture files as hinas-denoise does."""

    name: str
    """Unique in a session."""
    stages: PictureStages
    given: tuple[float | None, ...] = (None,)
    """Levels that have a row of their own; None: the method's own choice."""
    oracle: tuple[float, ...] = ()
    """Levels to look for the best among."""
    facts: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """Fields of an Entry that go with its figures."""

    @property
    def levels(self) -> tuple[float | None, ...]:
        """All levels that it is scored at, each once."""
        return tuple(dict.fromkeys((*self.given, *self.oracle)))

    def denoised(self, noisy: Path, levels: Sequence[float | None]) -> Iterator[DenoisedPicture]:
        """The picture denoised at each of `levels`. Raises UserError where the method cannot take it."""
        # Nothing is written: the name only says which kind of file the result would be.
        job = Job(noisy, noisy.with_name(f".{noisy.stem}-denoised{noisy.suffix}"))
        try:
            loaded = self.stages.load(job)
            content = loaded.content
            if not isinstance(content, Picture) or content.bits != 8:
                raise UserError(f"{noisy}: pairs are scored on 8-bit files that fit into the memory")
            for asked in levels:
                level = loaded.level if asked is None else loaded.denoiser.noise_level(content.pixels, asked)
                denoised = self.stages.denoise(replace(loaded, level=level), None)
                assert denoised.clean is not None
                yield DenoisedPicture(
                    asked=asked,
                    pixels=denoised.clean.pixels,
                    model=loaded.model,
                    sigma=level.sigma,
                    estimate=level.estimate,
                    library=denoised.backend,
                )
        except UserError as error:
            raise UserError(f"{self.name}: {error}") from error


def pair_methods(
    models: Sequence[str], levels: Levels, *, threads: int, folder: Path, note: Callable[[str], None]
) -> list[PairMethod]:
    """hinas-denoise by its own choice, then each of `models` (bundled names or paths).

    Foreign models are written to `folder` in hinas's own form. `note` gets a line for each level or model that will not
    be scored. Raises UserError for a model that cannot be had, or that enlarges.
    """
    own_choice = PairMethod(
        name=AUTO,
        stages=_stages(AUTO, threads),
        facts={"source": "the model and level that hinas-denoise chooses for each picture", "weights": "trained"},
    )
    files = network_files(models, folder) if models else []
    for file in files:
        if file.model in (AUTO, NOISY_INPUT):
            raise UserError(f"--model {file.file}: {file.model!r} names another row of the results; rename the file")
    named = [method for file in files if (method := _named_method(file, levels, threads, note)) is not None]
    return [own_choice, *named]


def _named_method(file: NetworkFile, levels: Levels, threads: int, note: Callable[[str], None]) -> PairMethod | None:
    """None where there is nothing to score."""
    manifest = manifest_of(onnx.load_from_string(model_bytes(file.file)))
    if manifest.scale != 1:
        raise UserError(f"--model {file.model}: enlarges pictures; the pictures of a pair have one size")
    if manifest.is_raw:
        raise UserError(f"--model {file.model}: is for raw data; pairs are of pictures, use --data")
    if manifest.weights == "random":
        note(f"note: {file.model} has random weights: it is not scored")
        return None
    given: tuple[float | None, ...] = levels.given or (None,)
    oracle = levels.oracle
    if not manifest.conditioned or manifest.sigma_range is None:
        if levels.given or oracle:
            note(f"note: {file.model} takes no noise level: it is scored once")
        given, oracle = (None,), ()
    else:
        low, high = manifest.sigma_range
        outside = [f"{level:g}" for level in (*levels.given, *oracle) if not low <= level <= high]
        if outside:
            note(f"note: {file.model} is for sigma {low:g}:{high:g}; not scored at {', '.join(outside)}")
        given = tuple(level for level in given if level is None or low <= level <= high)
        oracle = tuple(level for level in oracle if low <= level <= high)
        if not given and not oracle:
            return None
    return PairMethod(
        name=file.model,
        stages=_stages(str(file.file), threads),
        given=given,
        oracle=oracle,
        facts={"source": file.source, "weights": manifest.weights, "precision": manifest.precision},
    )


def _stages(model: str, threads: int) -> PictureStages:
    # Each picture comes with names of its own, and none is written.
    return PictureStages(Request(source=Path(), target=Path(), model=model, threads=threads, overwrite=True))

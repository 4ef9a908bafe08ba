"""What is measured, projected or published: entries of results.json, each with its origin and conditions.

An entry is one fact or one pair of facts of ONE origin: a latency at a size, a quality at a noise level, or both
where one source states both. So a measured quality never carries a projected latency along.
"""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from ...runtime.model.manifest import Precision
from ..devices.environment import Machine

FORMAT = "hinas-bench"
VERSION = 1
VARIOUS_SIZES = "various"
"""In place of a size, where the images of a data set do not have the same."""

Origin = Literal["measured", "published", "projected"]
Protocol = Literal[
    "standard",
    "standard, clipped 8-bit",
    "hinas-patches",
    "pairs",
    "half-size images",
    "sr-y",
    "task cases",
    "task cases, brightness",
    "unknown",
]
"""pairs: noisy files beside clean ones, as they are; half-size images: tested on images shrunk to half, as several
published rows are; sr-y: super-resolution of bicubically reduced images, on brightness; task cases: degraded as the
network's own task is scored in training; unknown: not stated."""
LevelSource = Literal["estimated", "given", "oracle, one for all", "oracle, best for each"]
"""Where the noise level came from that a method was told; an oracle knows the clean pictures, which nobody has."""
_Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
_Finite = Annotated[float, Field(allow_inf_nan=False)]


class _ResultPart(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ColdStart(_ResultPart):
    """What the first picture costs beside the steady state, in a fresh process with warm disk caches."""

    import_ms: _Positive
    """Importing NumPy and the inference library."""
    load_ms: _Positive
    """Reading the model file and making it ready."""
    first_run_ms: _Positive


class Latency(_ResultPart):
    """Milliseconds of one run of the network on one batch, files and tiling not counted."""

    p50: _Positive
    min: _Positive | None = None
    p90: _Positive | None = None
    p99: _Positive | None = None
    """Percentiles are interpolated linearly; with few runs p99 is next to the maximum."""
    runs: Annotated[int, Field(ge=1)] | None = None
    """TimedMethod runs; None: a published figure that does not say."""
    warm_up_runs: int | None = None
    """Runs before the first timed one, the first run not counted."""
    is_warm: bool | None = None
    """Whether the last three warm-up runs agreed within 5 %; False: they never did."""
    cold_start: ColdStart | None = None
    samples: tuple[_Positive, ...] = ()
    """Every timed run, in order."""

    @model_validator(mode="after")
    def _runs_are_the_samples(self) -> Self:
        if self.samples and self.runs != len(self.samples):
            raise ValueError(f"runs is {self.runs}, but there are {len(self.samples)} samples")
        return self


class Entry(_ResultPart):
    """A line of the results. None: not known, or not part of this fact."""

    model: str
    task: str = "denoise"
    """denoise, or what else was measured, such as super-resolution x3 or raw ISO 1600."""
    channels: Literal[1, 3, 4]
    """1: grey, 3: colour, 4: packed Bayer."""
    weights: Literal["trained", "random"] | None = None
    parameters: Annotated[int, Field(ge=0)] | None = None
    macs_per_pixel: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None
    """Multiply-adds per input pixel."""
    backend: str | None = None
    library: str | None = None
    """What really ran: library, version, provider, threads."""
    precision: Precision | None = None
    device: str | None = None
    threads: Annotated[int, Field(ge=1)] | None = None
    size: Annotated[str, Field(pattern=r"^[1-9]\d*x[1-9]\d*$")] | None = None
    """Width x height in pixels, of the latency."""
    batch: Annotated[int, Field(ge=1)] | None = None
    origin: Origin
    latency_ms: Latency | None = None
    throughput_mpix_s: _Positive | None = None
    """Millions of pixels per second, of the median run."""
    latency_range_ms: tuple[_Positive, _Positive] | None = None
    """Between these a projected latency is expected to lie."""
    transfer_in_ms: _Positive | None = None
    """Host to device, one batch, median; not part of latency_ms."""
    transfer_out_ms: _Positive | None = None
    """Device to host, one batch, median; not part of latency_ms."""
    share_of_peak: _Positive | None = None
    """Multiply-adds per second of the median run over the most that was measured on this device in this precision."""
    energy_j: _Positive | None = None
    """Of one run, read from the device itself."""
    dataset_time_s: _Positive | None = None
    """All images of the data set one after the other, as the papers give it; publications state only this."""
    peak_memory_bytes: Annotated[int, Field(gt=0)] | None = None
    """Of a process that does nothing else, Python and the inference library included."""
    peak_device_bytes: Annotated[int, Field(gt=0)] | None = None
    """On the accelerator, the library's own part included."""
    psnr_db: _Finite | None = None
    """None beside an SSIM: infinite, an output equalled its clean image."""
    ssim: Annotated[float, Field(ge=-1, le=1)] | None = None
    dataset: str | None = None
    num_images: Annotated[int, Field(ge=1)] | None = None
    image_size: Annotated[str, Field(pattern=rf"^([1-9]\d*x[1-9]\d*|{VARIOUS_SIZES})$")] | None = None
    """Of the images of a measured quality: longer x shorter side in pixels, upright or not, or VARIOUS_SIZES. None: not
    known, as in results of earlier versions and of publications."""
    images_digest: Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")] | None = None
    """Of names and contents of the images of a measured quality; None as above."""
    sigma: Annotated[float, Field(ge=0, le=255)] | None = None
    """Grey levels 0..255, of the quality."""
    protocol: Protocol | None = None
    level: LevelSource | None = None
    """Of the protocol pairs; None: no level was told."""
    median_sigma: Annotated[float, Field(ge=0)] | None = None
    """Grey levels 0..255, over the pairs: of the levels estimated, or of those that an oracle found best."""
    gain_db: _Finite | None = None
    """Mean over the pairs of the PSNR beyond the noisy picture's own."""
    num_improved: Annotated[int, Field(ge=0)] | None = None
    """Pairs whose gain is at least 0.01 dB."""
    source: str
    """The model file with its checksum, or the publication with its table."""
    note: str | None = None
    """What else a reader must know of this figure."""

    @model_validator(mode="after")
    def _is_complete(self) -> Self:
        has_quality = self.psnr_db is not None or self.ssim is not None
        if not has_quality and self.latency_ms is None and self.dataset_time_s is None:
            raise ValueError("an entry has a latency_ms, a dataset_time_s, a psnr_db or an ssim")
        if has_quality:
            # The noise of pairs is in the files, at a level that nobody knows.
            has_level = self.task == "denoise" and self.protocol != "pairs"
            self._require("a quality", "dataset", "protocol", *(["sigma"] if has_level else []))
        if (self.latency_range_ms is not None) != (self.origin == "projected" and self.latency_ms is not None):
            raise ValueError("a projected latency_ms, and no other, has a latency_range_ms")
        if self.latency_ms is not None:
            self._require("a latency_ms", "device", "size", "batch")
            if self.origin == "measured" and not self.latency_ms.samples:
                raise ValueError("a measured latency_ms keeps its samples")
        return self

    def _require(self, what: str, *names: str) -> None:
        missing = [name for name in names if getattr(self, name) is None]
        if missing:
            raise ValueError(f"{what} lacks {', '.join(missing)}")


class Results(_ResultPart):
    """The file results.json."""

    format: Literal["hinas-bench"] = FORMAT
    version: Literal[1] = VERSION
    machine: Machine
    sessions: tuple[Machine, ...] = ()
    """Of results that were joined: the machine at the beginning of each session, the earliest first. Empty: there was
    one session, that of `machine`."""
    entries: tuple[Entry, ...]

    def to_json(self) -> str:
        """The file's text; `results_from_json` gives the same results back."""
        return self.model_dump_json(indent=1) + "\n"

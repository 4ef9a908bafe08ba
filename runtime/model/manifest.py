"""What a model file says of itself: the `hinas.*` entries of its metadata, as one validated value.

Export writes it with `to_metadata`, every backend reads it with `from_metadata`. Standard library only.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Self, TypeVar, get_args

from ...errors import UserError
from ...network_input import PACKED_BAYER, NetworkInput

Tiling = Literal["exact", "approximate"]
Precision = Literal["fp32", "fp16", "bf16", "int8"]
FloatArithmetic = Literal["fp32", "bf16"]
Weights = Literal["trained", "random"]
Io = Literal["float", "uint8"]
_Choice = TypeVar("_Choice", bound=str)

PREFIX = "hinas."
_LARGEST_SCALE = 16
"""Above every network that enlarges; a damaged file could ask for a picture that no memory holds."""
_OLDEST_TASK = "denoise"
"""What files from before the entry `task` are for. It is not written, so that such files stay the same."""
RAW_TASK = "raw"
"""What models of packed Bayer data are for."""
_REQUIRED = (
    "genotype",
    "training",
    "channels",
    "scale",
    "halo",
    "alignment",
    "tiling",
    "conditioned",
    "precision",
    "weights",
)


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelManifest:
    """Everything a backend, the tile planner and a report need to know of a model file."""

    channels: int
    """Channels of input and output: 1 (grey), 3 (RGB), or of the task raw 4 (packed Bayer)."""
    scale: int = 1
    """Output pixels per input pixel along each side; 1 for denoising."""
    task: str = _OLDEST_TASK
    """What the network was trained for: the name of a task, as in a genotype."""
    halo: int
    """Radius of the receptive field in input pixels, per side; exact where `tiling` is exact. 0: pointwise."""
    alignment: int = 1
    """Origins and sizes of tiles are multiples of this many pixels. 1: no constraint."""
    tiling: Tiling = "exact"
    """`exact`: a tile with its halo gives the whole image's values; `approximate`: some operation sees everything."""
    conditioned: bool
    """Whether the network has an input `sigma`, the noise level in grey levels 0..255."""
    sigma_range: tuple[float, float] | None = None
    """Lowest and highest noise level trained for, grey levels 0..255; None: unknown (unconditioned models only)."""
    precision: Precision = "fp32"
    """Arithmetic of the heavy layers."""
    float_arithmetic: FloatArithmetic | None = None
    """What the accuracy gate saw an int8 model's floating-point layers computed in; None: it was not looked at."""
    io: Io = "float"
    """`float`: values (N, C, H, W), 0..1, the result not clipped; `uint8`: pixels (N, H, W, C), the result rounded."""
    weights: Weights
    """`random`: made for timing only, its pictures are worthless."""
    genotype: str
    """The architecture, as the JSON text of a genotype file."""
    training: str = "{}"
    """Data, iterations and scores with their protocol, as JSON text."""
    certificate: str | None = None
    """What the precision cost on real images when the model was exported, as JSON text; None: not checked."""

    def __post_init__(self) -> None:
        if self.task == RAW_TASK:
            _require("channels", self.channels, self.channels == PACKED_BAYER, f"{PACKED_BAYER}, as the task is raw")
            _require("conditioned", self.conditioned, not self.conditioned, "false, as the task is raw")
        else:
            _require("channels", self.channels, self.channels in (1, 3), "1 or 3")
        _require("scale", self.scale, 1 <= self.scale <= _LARGEST_SCALE, f"a whole number from 1 to {_LARGEST_SCALE}")
        _require("task", self.task, bool(self.task.strip()), "the name of a task, such as denoise")
        _require("halo", self.halo, self.halo >= 0, "a whole number of at least 0")
        _require("alignment", self.alignment, self.alignment >= 1, "a whole number of at least 1")
        _chosen("tiling", self.tiling, get_args(Tiling))
        _chosen("precision", self.precision, get_args(Precision))
        if self.float_arithmetic is not None:
            _chosen("float_arithmetic", self.float_arithmetic, get_args(FloatArithmetic))
        _chosen("io", self.io, get_args(Io))
        _chosen("weights", self.weights, get_args(Weights))
        if self.sigma_range is None:
            _require("sigma_range", None, not self.conditioned, "a range such as '0:75' for a conditioned model")
        else:
            low, high = self.sigma_range
            _require(
                "sigma_range", f"{low:g}:{high:g}", 0 <= low <= high <= 255, "LOW:HIGH with 0 <= LOW <= HIGH <= 255"
            )
        _require_json_object("genotype", self.genotype)
        _require_json_object("training", self.training)
        if self.certificate is not None:
            _require_json_object("certificate", self.certificate)

    @property
    def is_raw(self) -> bool:
        """Whether pictures are packed Bayer data, four channels of half the mosaic's size."""
        return self.channels == PACKED_BAYER

    @property
    def network_input(self) -> NetworkInput:
        """What the network is given, as one value."""
        return NetworkInput(
            channels=self.channels,
            alignment=self.alignment,
            scale=self.scale,
            level_range=self.sigma_range if self.conditioned else None,
        )

    @classmethod
    def from_metadata(cls, metadata: Mapping[str, str]) -> Self:
        """Read the `hinas.*` entries of a model file; other entries are ignored.

        Raises UserError that says "not a hinas model" where entries are missing, and otherwise names
        the entry, what stood there and what is allowed.
        """
        missing = [PREFIX + name for name in _REQUIRED if PREFIX + name not in metadata]
        if len(missing) == len(_REQUIRED):
            raise UserError(
                "not a hinas model: its metadata says nothing of hinas; hinas-export --import FILE makes one of a "
                "network from elsewhere"
            )
        if missing:
            raise UserError(
                f"not a hinas model: the file's metadata lacks {', '.join(missing)}; write it with hinas-export"
            )
        entry = {name: metadata[PREFIX + name] for name in _REQUIRED}
        sigma_range = metadata.get(PREFIX + "sigma_range")
        floating = metadata.get(PREFIX + "float_arithmetic")
        return cls(
            channels=_whole_number("channels", entry["channels"]),
            scale=_whole_number("scale", entry["scale"]),
            halo=_whole_number("halo", entry["halo"]),
            alignment=_whole_number("alignment", entry["alignment"]),
            tiling=_chosen("tiling", entry["tiling"], get_args(Tiling)),
            conditioned=_chosen("conditioned", entry["conditioned"], ("true", "false")) == "true",
            sigma_range=None if sigma_range is None else _range(sigma_range),
            precision=_chosen("precision", entry["precision"], get_args(Precision)),
            float_arithmetic=None
            if floating is None
            else _chosen("float_arithmetic", floating, get_args(FloatArithmetic)),
            task=metadata.get(PREFIX + "task", _OLDEST_TASK),
            # Files from before this entry all take float.
            io=_chosen("io", metadata.get(PREFIX + "io", "float"), get_args(Io)),
            weights=_chosen("weights", entry["weights"], get_args(Weights)),
            genotype=entry["genotype"],
            training=entry["training"],
            certificate=metadata.get(PREFIX + "certificate"),
        )

    def to_metadata(self) -> dict[str, str]:
        """The entries to store in a model file; `from_metadata` gives the same manifest back."""
        entries = {
            "genotype": self.genotype,
            "training": self.training,
            "channels": str(self.channels),
            "scale": str(self.scale),
            "halo": str(self.halo),
            "alignment": str(self.alignment),
            "tiling": self.tiling,
            "conditioned": "true" if self.conditioned else "false",
            "precision": self.precision,
            "io": self.io,
            "weights": self.weights,
        }
        if self.task != _OLDEST_TASK:
            entries["task"] = self.task
        if self.sigma_range is not None:
            # repr keeps every digit; 75.0 is written as 75.
            entries["sigma_range"] = ":".join(repr(float(end)).removesuffix(".0") for end in self.sigma_range)
        if self.float_arithmetic is not None:
            entries["float_arithmetic"] = self.float_arithmetic
        if self.certificate is not None:
            entries["certificate"] = self.certificate
        return {PREFIX + name: text for name, text in entries.items()}


def _require(name: str, got: object, is_valid: bool, allowed: str) -> None:
    if not is_valid:
        raise UserError(f"{PREFIX}{name} is {got!r}; allowed: {allowed}")


def _chosen(name: str, got: str, allowed: tuple[_Choice, ...]) -> _Choice:
    for choice in allowed:
        if got == choice:
            return choice
    raise UserError(f"{PREFIX}{name} is {got!r}; allowed: {', '.join(allowed)}")


def _whole_number(name: str, text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise UserError(f"{PREFIX}{name} is {text!r}; allowed: a whole number") from None


def _range(text: str) -> tuple[float, float]:
    try:
        low, high = (float(end) for end in text.split(":"))
    except ValueError:
        raise UserError(f"{PREFIX}sigma_range is {text!r}; allowed: LOW:HIGH in grey levels, such as 0:75") from None
    return low, high


def _require_json_object(name: str, text: str) -> None:
    try:
        is_object = isinstance(json.loads(text), dict)
    except ValueError:
        is_object = False
    _require(name, text[:60], is_object, "the text of a JSON object")

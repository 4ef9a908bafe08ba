"""GPUs as datasheets describe them, from the table `devices.json`, found by name."""

import re
from functools import cache
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, model_validator

from ...errors import UserError
from ...runtime.model.manifest import Precision

Basis = Literal["vendor", "computed"]
"""vendor: NVIDIA states it, as others quote it; computed: from the number of units and the clock, or in proportion
to a sister GPU."""
Version = tuple[int, int]
"""(major, minor)."""
_Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]

_TENSOR_MULTIPLES: dict[Precision, int] = {"fp16": 8, "bf16": 8, "int8": 32}
"""Tensor cores work on blocks of channels; what is missing is filled with zeros.

What users of TensorRT report; int8 kernels that need only 16 would make the int8 projection too slow, not too fast.
"""
_DP4A = 4
"""Channels that one int8 instruction of plain cores takes."""


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Peak(_Frozen):
    """The most a GPU computes in one precision."""

    tera_ops: _Positive
    """10^12 operations per second, dense; a multiply-add is two."""
    units: Literal["plain", "tensor"]
    """tensor: matrix units, which dense convolutions use and depthwise ones cannot."""
    basis: Basis

    @property
    def macs_per_s(self) -> float:
        """Multiply-adds per second."""
        return self.tera_ops * 1e12 / 2


class DeviceProfile(_Frozen):
    """A GPU, here or not."""

    name: str
    aliases: Annotated[tuple[str, ...], Field(min_length=1)]
    """What people call it, the shortest first, and what the driver does; letters and digits in lower case."""
    compute_capability: Version
    peaks: dict[Precision, Peak]
    """Precisions worth asking for; fp32 is always there."""
    memory_bytes: Annotated[int, Field(gt=0)]
    bandwidth_bytes_s: _Positive
    bandwidth_basis: Basis
    power_w: _Positive
    """Of the whole board."""
    launch_us: Annotated[float, Field(ge=0)]
    """Between the end of one kernel and the start of the next in a captured graph; an assumption, see the docs."""
    tensorrt_newest: Version | None
    """The last TensorRT that runs on it; None: the newest known does."""
    onnxruntime_gpu_newest: Version | None
    """The last release of onnxruntime-gpu with code for it; None: the newest known, or with capability < 6.0 none."""
    onnxruntime_gpu_reported_newest: Version | None
    """The last release that people report to work; None: no trouble is known."""
    sources: tuple[str, ...]

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        if "fp32" not in self.peaks:
            raise ValueError("peaks lacks fp32")
        if not self.sources:
            raise ValueError("sources is empty")
        return self

    @property
    def precisions(self) -> tuple[Precision, ...]:
        """What the GPU computes faster than, or as fast as, anything else it has."""
        return tuple(self.peaks)

    def peak(self, precision: Precision) -> Peak:
        """The peak of one precision; UserError where the GPU has none worth asking for."""
        if precision not in self.peaks:
            raise UserError(f"{self.name} has no usable {precision}; it has {', '.join(self.precisions)}")
        return self.peaks[precision]

    def channel_multiple(self, precision: Precision) -> int:
        """Channels are filled up to a multiple of this."""
        if self.peak(precision).units == "tensor":
            return _TENSOR_MULTIPLES[precision]
        return _DP4A if precision == "int8" else 1


@cache
def device_profiles() -> tuple[DeviceProfile, ...]:
    """The whole table, oldest GPU first."""
    text = Path(__file__).with_name("devices.json").read_text(encoding="utf-8")
    return TypeAdapter(tuple[DeviceProfile, ...]).validate_json(text)


def device_profile(name: str) -> DeviceProfile:
    """Find a GPU by its name or an alias, whatever the case, spaces, hyphens and the maker's name before it.

    Raises UserError that lists the names there are.
    """
    wanted = plain_name(name)
    for profile in device_profiles():
        if wanted in (plain_name(profile.name), *profile.aliases):
            return profile
    known = ", ".join(f"{profile.aliases[0]} ({profile.name})" for profile in device_profiles())
    raise UserError(f"--gpu {name}: no such GPU in the table; there are {known}")


def plain_name(name: str) -> str:
    """A GPU's name as names are compared: `NVIDIA GeForce GTX 1080 Ti` -> `gtx1080ti`."""
    letters = re.sub(r"[^a-z0-9]", "", name.lower())
    for prefix in ("nvidia", "geforce"):
        letters = letters.removeprefix(prefix)
    return letters

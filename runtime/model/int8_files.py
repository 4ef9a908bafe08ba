"""The int8 files of a model: one for each library of the processor, beside the model, and which of them is taken."""

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from ...errors import UserError
from .bundled_models import is_bundled
from .manifest import PREFIX
from .message_fields import fields
from .model_bytes import model_bytes

Int8Target = Literal["ort", "openvino"]
"""The library that an int8 graph is laid out for; the other one runs it slowly or not at all."""
INT8_TARGETS: dict[str, Int8Target] = {"openvino": "openvino", "cpu": "ort"}
"""By the names of backends, in the order in which `auto` takes them."""

_REFUSED = {
    "cuda": (
        "ONNX Runtime has no int8 convolutions for GPUs: it would round to int8 and compute in fp32, slower than fp32 "
        "alone; leave --precision out, or take --backend cpu or openvino"
    ),
    "tensorrt": (
        "an engine computes in what it was built for; build one in int8: hinas-export GENOTYPE --engine --precision "
        "int8 --calibration IMAGES --check OTHER_IMAGES, and give that model without --precision"
    ),
}
_WHAT_IT_IS = ("genotype", "training")
"""Entries that a model shares with its int8 files: the network, and the training its weights come from."""
_METADATA, _NAME, _TEXT = 14, 1, 2
"""Field numbers of onnx.proto: a model's metadata, and of an entry its name and its text."""


def int8_file(model: Path, target: Int8Target) -> Path:
    """`NAME.onnx` -> `NAME.TARGET.int8.onnx`: where hinas-export writes it and hinas-denoise looks for it."""
    return model.with_suffix(f".{target}.int8{model.suffix}")


def int8_file_beside(model: Path, target: Int8Target) -> Path | None:
    """The int8 file of `model` where there is one; UserError where it is left from another training or network."""
    file = int8_file(model, target)
    if not file.is_file():
        return None
    found, expected = _entries(file), _entries(model)
    if any(found.get(entry) != expected.get(entry) for entry in _WHAT_IT_IS):
        raise UserError(
            f"{file}: made of other weights than {model.name}; make it again with hinas-export, or say --model {file}"
        )
    return file


@dataclass(frozen=True, kw_only=True, slots=True)
class Int8Choice:
    """What `--precision int8` means for a model on a backend."""

    file: Path
    """The int8 file."""
    backend: str
    """As `open_backend` takes it; never auto."""


def int8_choice(model: Path, backend: str) -> Int8Choice:
    """The int8 file of `model` for a backend, or `model` itself where that is in int8.

    `auto` is OpenVINO where it is installed, else ONNX Runtime; where only one of them has a file, that one. Raises
    UserError where there is no such file, or one of other weights, and for backends that gain nothing by int8 files.
    """
    if reason := _REFUSED.get("tensorrt" if model.suffix == ".engine" else backend):
        raise UserError(f"precision int8: {reason}")
    usable = _installed() if backend == "auto" else [backend]
    if not INT8_TARGETS.keys() >= set(usable):
        return Int8Choice(file=model, backend=backend)  # whoever opens it knows what backends there are
    for name in usable:
        if (file := int8_file_beside(model, INT8_TARGETS[name])) is not None:
            return Int8Choice(file=file, backend=name)
    if _entries(model).get("precision") == "int8":
        named_for = [name for name in usable if model.name.endswith(f".{INT8_TARGETS[name]}.int8.onnx")]
        return Int8Choice(file=model, backend=(named_for or usable)[0])
    raise UserError(f"precision int8: {_missing(model, INT8_TARGETS[usable[0]])}")


def _installed() -> list[str]:
    return [name for name in INT8_TARGETS if name == "cpu" or find_spec(name) is not None]


def _missing(model: Path, target: Int8Target) -> str:
    if is_bundled(model):
        return f"no int8 file of {model.stem!r} comes with hinas; leave --precision out"
    file = int8_file(model, target)
    return (
        f"{file}: no such file; make it: hinas-export GENOTYPE --out {file} --target {target} --precision int8 "
        "--calibration IMAGES --check OTHER_IMAGES"
    )


def _entries(model: Path) -> dict[str, str]:
    """What the file says of itself, without the prefix of the names."""
    found: dict[str, str] = {}
    for number, entry in fields(memoryview(model_bytes(model))):
        if number == _METADATA and isinstance(entry, memoryview):
            parts = {part: bytes(value) for part, value in fields(entry) if isinstance(value, memoryview)}
            name = parts.get(_NAME, b"").decode(errors="replace")
            found[name.removeprefix(PREFIX)] = parts.get(_TEXT, b"").decode(errors="replace")
    return found

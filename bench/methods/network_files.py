"""The model files to measure: found by name or path, identified, foreign ones written in hinas's own form."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import onnx

from ...errors import UserError
from ...runtime.model.bundled_models import bundled_names, model_file
from ...runtime.model.model_bytes import model_bytes
from .foreign_models import in_own_form, is_foreign
from .lower_precision import manifest_of


@dataclass(frozen=True, kw_only=True)
class NetworkFile:
    """A model file in hinas's own form, and what results say of it."""

    model: str
    """As results call it, the same for every backend and precision; unique in a session."""
    file: Path
    source: str
    """Where the figures come from: a file, identified by its content, or a publication."""


def network_files(models: Sequence[str], folder: Path) -> list[NetworkFile]:
    """Every model (bundled names or paths; none: the bundled denoisers). A file given twice is taken once.

    A network from elsewhere (`foreign_models`) is written to `folder` in hinas's own form. Raises UserError for a model
    that cannot be found, read or understood.
    """
    chosen = list(models) or bundled_denoisers()
    if not chosen:
        raise UserError("this installation has no bundled models; give --model FILE")
    files = {model_file(model).resolve(): model for model in reversed(chosen)}
    names = _unique_names({file: files[file] for file in reversed(files)})
    return [
        _network_file(name, file, folder / f"foreign-{index}.onnx") for index, (file, name) in enumerate(names.items())
    ]


def bundled_denoisers() -> list[str]:
    """The bundled models that are told a noise level: what is measured where no model is named."""
    return [name for name in bundled_names() if manifest_of(onnx.load(model_file(name))).conditioned]


def _unique_names(models: dict[Path, str]) -> dict[Path, str]:
    """A short name for every file; the model as it was given where short names collide."""
    short = {file: Path(model).name.removesuffix(".onnx") for file, model in models.items()}
    taken = list(short.values())
    return {file: name if taken.count(name) == 1 else models[file] for file, name in short.items()}


def _network_file(name: str, file: Path, own_form: Path) -> NetworkFile:
    if file.suffix == ".engine":
        raise UserError(f"{file}: an engine tells nothing of its network; give the .onnx file that it lies beside")
    content = model_bytes(file)
    source = source_of(file, content)
    model = loaded_model(content)
    if model is None or not is_foreign(model):
        return NetworkFile(model=name, file=file, source=source)
    try:
        own_form.write_bytes(in_own_form(model).SerializeToString(deterministic=True))
    except UserError as error:
        raise UserError(f"{file}: {error}") from error
    return NetworkFile(model=name, file=own_form, source=source)


def source_of(file: Path, content: bytes) -> str:
    """Where the figures of a file with this content come from."""
    return f"{file.name}, SHA-256 {hashlib.sha256(content).hexdigest()[:16]}"


def loaded_model(content: bytes) -> onnx.ModelProto | None:
    """None: not ONNX, or without a graph, which a backend says better."""
    try:
        model = onnx.load_from_string(content)
    except Exception:  # protobuf's own error class differs from version to version
        return None
    return model if model.graph.node else None

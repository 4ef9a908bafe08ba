"""`hinas-export --triton`: a new version of a model in a model repository, written whole or not at all.

Layout: docs/user_guide/model_repository.md of github.com/triton-inference-server/server.
"""

import re
from dataclasses import dataclass
from pathlib import Path

import onnx

from ...atomic_files import folder_written_whole
from ...errors import UserError
from ...runtime.engines.engine_file import Engine
from ..graph.variants import Target
from .model_config import ANY, ModelConfig, config_of, tensors_of_engine, tensors_of_model

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]*(\.[A-Za-z0-9_-]+)*")


@dataclass(frozen=True, kw_only=True)
class TritonRequest:
    """Where a model is to be served from. Raises UserError where that cannot be."""

    repository: Path
    """The folder that the server is started with; made where it is missing."""
    name: str
    """The model's, in requests to the server and as a folder."""
    largest_batch: int
    """Most images that the server collects into one run, for a model that takes any number."""

    def __post_init__(self) -> None:
        # Triton refuses `/` and `..`; the rest would have to be quoted in the addresses of requests.
        if not _NAME.fullmatch(self.name):
            raise UserError(
                f"--triton: the model would be named {self.name!r}; allowed: letters, digits, _, - and single dots "
                "between them; choose another file name with --out"
            )
        if self.repository.exists() and not self.repository.is_dir():
            raise UserError(f"--triton {self.repository}: not a folder")
        if not self.repository.absolute().parent.is_dir():
            raise UserError(f"--triton {self.repository}: no folder {self.repository.parent}; create it first")


def write_triton_model(request: TritonRequest, model_file: Path, target: Target, engine: Engine | None) -> Path:
    """Add the model of a file, or the engine built from it, to the repository; returns the new version's folder.

    The version is 1, or the highest there plus 1. Raises UserError where the model there has other inputs or outputs,
    and where the disk does not let it.
    """
    model = onnx.load(model_file)
    if engine is None:
        name, content, tensors = "model.onnx", model_file.read_bytes(), tensors_of_model(model)
        kind, batches = "onnx", (1, request.largest_batch)
    else:
        name, content, tensors = "model.plan", engine.plan, tensors_of_engine(model, engine)
        kind, batches = "engine", (engine.key.inputs[0].smallest[0], engine.key.inputs[0].largest[0])
    takes_any_batch = tensors[0].shape[0] == ANY and batches[0] == 1
    config = config_of(
        request.name, tensors, kind=kind, target=target, largest_batch=batches[1] if takes_any_batch else 0
    )
    folder = request.repository / request.name
    try:
        request.repository.mkdir(exist_ok=True)
        versions = [int(item.name) for item in folder.glob("*") if item.name.isdecimal()] if folder.is_dir() else None
    except OSError as error:
        raise UserError(f"{request.repository}: cannot be used ({error.strerror})") from error
    if versions is None:
        with folder_written_whole(folder) as new:
            (new / "config.pbtxt").write_text(config.interface + config.tuning, encoding="utf-8")
            (new / "1").mkdir()
            (new / "1" / name).write_bytes(content)
        return folder / "1"
    _require_same_interface(folder / "config.pbtxt", config)
    version = folder / str(max(versions, default=0) + 1)
    with folder_written_whole(version) as new:
        (new / name).write_bytes(content)
    return version


def _require_same_interface(path: Path, config: ModelConfig) -> None:
    """All versions of a model share one configuration; what follows the tensors in it may have been changed."""
    try:
        present = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: cannot be read ({error}); choose another model name with --out") from error
    if not present.startswith(config.interface):
        wanted = config.interface.splitlines()
        there = present.splitlines()[: len(wanted)]
        line = next((new for new, old in zip(wanted, there, strict=False) if new != old), wanted[-1])
        raise UserError(
            f"{path}: describes another model, and its versions share it (this one: {line}); "
            "choose another model name with --out"
        )

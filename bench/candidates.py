"""The models to measure: found, opened, counted."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import UserError
from ..export.graph_cost import GraphCost, cost_of_graph
from ..runtime.backends.interface import Backend
from ..runtime.backends.registry import open_backend
from ..runtime.bundled_models import bundled_names, model_file
from ..runtime.manifest import ModelManifest


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A model ready to be measured."""

    name: str
    """The bundled name, or the file's name without suffix; unique among the candidates."""
    file: Path
    backend_name: str
    """As the runtime's registry knows it, such as cpu."""
    backend: Backend
    threads: int
    """Processor threads of one run."""
    cost: GraphCost
    """Counted on the file's graph."""
    sha256: str
    """Of the file's bytes, hexadecimal."""

    @property
    def manifest(self) -> ModelManifest:
        """What the model file says of itself."""
        return self.backend.manifest

    @property
    def source(self) -> str:
        """Where the figures come from: the file, identified by its content."""
        return f"{self.file.name}, SHA-256 {self.sha256[:16]}"


def open_candidates(models: Sequence[str], *, backend: str, threads: int) -> list[Candidate]:
    """Open every model (bundled names or paths; none: all bundled models). A file given twice is taken once.

    Raises UserError for a model that cannot be found or read, or that is no hinas model.
    """
    chosen = list(models) or bundled_names()
    if not chosen:
        raise UserError("this installation has no bundled models; give --model FILE")
    files = {model_file(model).resolve(): model for model in reversed(chosen)}
    names = _unique_names({file: files[file] for file in reversed(files)})
    return [_opened(name, file, backend, threads) for file, name in names.items()]


def _unique_names(models: dict[Path, str]) -> dict[Path, str]:
    """A short name for every file; the model as it was given where short names collide."""
    short = {file: Path(model).name.removesuffix(".onnx") for file, model in models.items()}
    taken = list(short.values())
    return {file: name if taken.count(name) == 1 else models[file] for file, name in short.items()}


def _opened(name: str, file: Path, backend: str, threads: int) -> Candidate:
    import onnx

    opened = open_backend(backend, file, threads=threads)
    content = file.read_bytes()
    try:
        cost = cost_of_graph(onnx.load_from_string(content))
    except UserError as error:
        raise UserError(f"{file}: {error}") from error
    return Candidate(
        name=name,
        file=file,
        backend_name=backend,
        backend=opened,
        threads=threads,
        cost=cost,
        sha256=hashlib.sha256(content).hexdigest(),
    )

"""The models to measure: found, opened and counted, each on every backend and in every precision asked for."""

import hashlib
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any

import onnx

from ...errors import UserError
from ...export.graph.graph_cost import GraphCost, cost_of_graph
from ...runtime.backends.backend import Backend
from ...runtime.backends.open_backend import open_backend
from ...runtime.model.bundled_models import bundled_names, model_file
from ...runtime.model.manifest import ModelManifest, Precision
from ...runtime.model.model_bytes import model_bytes
from .foreign_models import in_own_form, is_foreign
from .precision_variants import CalibrationOf, calibration_on, in_precision, manifest_of
from .session_engines import with_engine


@dataclass(frozen=True, kw_only=True)
class ModelSource:
    """A model file in hinas's own form, and what results say of it."""

    model: str
    """As results call it, the same for every backend and precision; unique among the sources."""
    file: Path
    source: str
    """Where the figures come from: a file, identified by its content, or a publication."""


@dataclass(frozen=True, kw_only=True)
class Variants:
    """What every model is measured on and in."""

    backends: tuple[str, ...] = ("cpu",)
    """As the runtime's registry knows them, at least one."""
    precisions: tuple[Precision, ...] = ()
    """None: each model as its file is."""
    threads: int = 1
    """Processor threads of one run."""
    tile: int = 512
    """Pixels a side of the largest window, for engines that are built."""
    calibration: CalibrationOf = field(default_factory=lambda: calibration_on(()))
    """What int8 finds its ranges on."""


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A model on a backend in a precision, ready to be measured."""

    name: str
    """Unique among the candidates: `model`, and the backend and precision where one model is measured on several."""
    model: str
    """As results call it."""
    file: Path
    backend_name: str
    """As the runtime's registry knows it, such as cpu."""
    backend: Backend
    threads: int
    """Processor threads of one run."""
    cost: GraphCost
    """Counted on the graph as it was before its precision was lowered here."""
    source: str
    """Where the figures come from."""
    caveat: str | None = None
    """What a reader of its figures must know."""

    @property
    def manifest(self) -> ModelManifest:
        """What the model file says of itself."""
        return self.backend.manifest

    @property
    def facts(self) -> Mapping[str, Any]:
        """Fields of an Entry that go with every figure of it, latency and quality alike."""
        return {
            "model": self.model,
            "channels": self.manifest.channels,
            "weights": self.manifest.weights,
            "parameters": self.cost.parameters,
            "macs_per_pixel": self.cost.macs_per_pixel,
            "backend": self.backend_name,
            "precision": self.manifest.precision,
            "threads": self.threads,
            "source": self.source,
            "note": self.caveat,
        }


def model_sources(models: Sequence[str], folder: Path) -> list[ModelSource]:
    """Every model (bundled names or paths; none: all bundled models). A file given twice is taken once.

    A network from elsewhere (`foreign_models`) is written to `folder` in hinas's own form. Raises UserError for a model
    that cannot be found, read or understood.
    """
    chosen = list(models) or bundled_names()
    if not chosen:
        raise UserError("this installation has no bundled models; give --model FILE")
    files = {model_file(model).resolve(): model for model in reversed(chosen)}
    names = _unique_names({file: files[file] for file in reversed(files)})
    return [_source(name, file, folder / f"foreign-{index}.onnx") for index, (file, name) in enumerate(names.items())]


def open_candidates(sources: Sequence[ModelSource], variants: Variants, folder: Path) -> list[Candidate]:
    """Open every model on every backend in every precision; files in other precisions are written to `folder`.

    Raises UserError where a backend cannot run here, or a model not on it or in a precision: nothing is replaced.
    """
    candidates: list[Candidate] = []
    is_only_one = len(variants.backends) == 1 and len(variants.precisions) <= 1
    for source in sources:
        # Once for all its variants: DRUNet takes seconds.
        cost = _cost(source)
        for backend, precision in product(variants.backends, variants.precisions or (None,)):
            file, note = _in_precision(source, precision, backend, variants.calibration, folder)
            if backend == "tensorrt":
                file = with_engine(file, tile=variants.tile, folder=folder)
            opened = open_backend(backend, file, threads=variants.threads, listener=warnings.warn)
            label = source.model if is_only_one else f"{source.model} {backend} {opened.manifest.precision}"
            candidates.append(
                Candidate(
                    name=label,
                    model=source.model,
                    file=file,
                    backend_name=backend,
                    backend=opened,
                    threads=variants.threads,
                    cost=cost,
                    source=source.source + note,
                    caveat=_OF_INT8 if note and precision == "int8" else None,
                )
            )
    return candidates


_OF_INT8 = (
    "made of the finished fp32 file, whose rewrites suit int8 badly, and without a gate; what int8 can do shows the "
    "file that hinas-export --precision int8 makes of the genotype"
)


def _unique_names(models: dict[Path, str]) -> dict[Path, str]:
    """A short name for every file; the model as it was given where short names collide."""
    short = {file: Path(model).name.removesuffix(".onnx") for file, model in models.items()}
    taken = list(short.values())
    return {file: name if taken.count(name) == 1 else models[file] for file, name in short.items()}


def _source(name: str, file: Path, own_form: Path) -> ModelSource:
    if file.suffix == ".engine":
        raise UserError(f"{file}: an engine tells nothing of its network; give the .onnx file that it lies beside")
    content = model_bytes(file)
    source = f"{file.name}, SHA-256 {hashlib.sha256(content).hexdigest()[:16]}"
    model = _loaded(content)
    if model is None or not is_foreign(model):
        return ModelSource(model=name, file=file, source=source)
    try:
        own_form.write_bytes(in_own_form(model).SerializeToString(deterministic=True))
    except UserError as error:
        raise UserError(f"{file}: {error}") from error
    return ModelSource(model=name, file=own_form, source=source)


def _loaded(content: bytes) -> onnx.ModelProto | None:
    """None: not ONNX, or without a graph, which a backend says better."""
    try:
        model = onnx.load_from_string(content)
    except Exception:  # protobuf's own error class differs from version to version
        return None
    return model if model.graph.node else None


def _cost(source: ModelSource) -> GraphCost:
    model = _loaded(model_bytes(source.file))
    if model is None:
        raise UserError(f"{source.file}: damaged, or not an ONNX model")
    try:
        return cost_of_graph(model)
    except UserError as error:
        raise UserError(f"{source.file}: {error}") from error


def _in_precision(
    source: ModelSource, precision: Precision | None, backend: str, calibration: CalibrationOf, folder: Path
) -> tuple[Path, str]:
    """(the file, what its `source` gets added)."""
    if precision is None:
        return source.file, ""
    model = onnx.load_from_string(model_bytes(source.file))
    try:
        if manifest_of(model).precision == precision:
            return source.file, ""
        content = in_precision(model, precision, backend, calibration)
    except UserError as error:
        raise UserError(f"--precision {precision}: {source.model}: {error}") from error
    # The names of models come from people; those of these files do not.
    file = folder / f"{len(list(folder.iterdir()))}-{backend}-{precision}.onnx"
    file.write_bytes(content)
    return file, f", converted to {precision} by hinas-bench"

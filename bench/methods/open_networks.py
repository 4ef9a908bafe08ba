"""Networks opened to be measured: each model file on every backend and in every precision asked for."""

import json
import shutil
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from ...command_line import require_libraries
from ...errors import UserError
from ...export.graph.graph_cost import GraphCost, cost_of_graph
from ...runtime.backends.backend import Backend
from ...runtime.backends.open_backend import open_backend
from ...runtime.backends.tensorrt_loading import engine_path
from ...runtime.denoiser import Denoiser
from ...runtime.model.int8_files import INT8_TARGETS, int8_file_beside
from ...runtime.model.manifest import ModelManifest, Precision
from ...runtime.model.model_bytes import model_bytes
from ..devices.environment import Machine, device_name
from ..latency.timed_method import TimedMethod
from ..quality.measure_quality import ScoredMethod
from .lower_precision import CalibrationOf, calibration_on, in_precision, manifest_of, require_computed
from .network_files import NetworkFile, loaded_model, source_of


@dataclass(frozen=True, kw_only=True)
class Variants:
    """What every network is measured on and in."""

    backends: tuple[str, ...] = ("cpu",)
    """As the runtime's registry knows them, at least one."""
    precisions: tuple[Precision, ...] = ()
    """None: each network as its file is."""
    threads: int = 1
    """Processor threads of one run."""
    tile: int = 512
    """Pixels a side of the largest window, for engines that are built."""
    calibration: CalibrationOf = field(default_factory=lambda: calibration_on(()))
    """What int8 finds its ranges on."""


@dataclass(frozen=True, kw_only=True)
class OpenNetwork:
    """A network on a backend in a precision, ready to be measured."""

    name: str
    """Unique in a session: `model`, and the backend and precision where one model is measured on several."""
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
    def task(self) -> str:
        """The name of the task that the network is for, as in a genotype."""
        described = json.loads(self.manifest.genotype).get("task", {})
        return str(described.get("name", self.manifest.task if self.manifest.scale == 1 else "super-resolution"))

    @property
    def facts(self) -> Mapping[str, Any]:
        """Fields of an Entry that go with every figure of it, latency and quality alike."""
        return {
            "model": self.model,
            "task": self.task if self.manifest.scale == 1 else f"{self.task} x{self.manifest.scale}",
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

    def timed(self) -> TimedMethod:
        """The network as a method that can be timed."""
        # A GPU's own memory is not what the system has free; where it lacks, the run says so.
        is_systems_memory = self.backend.free_device_bytes() is None
        return TimedMethod(
            name=self.name,
            request={"model": str(self.file), "backend": self.backend_name, "threads": self.threads},
            facts=self.facts,
            bytes_per_pixel=self.backend.bytes_per_pixel if is_systems_memory else lambda: 0,
        )

    def scored(self, machine: Machine) -> ScoredMethod:
        """The network as a method that can be scored: run as `hinas-denoise` runs it, at the levels it is for."""
        denoiser, manifest = Denoiser(self.backend), self.manifest

        def denoise(noisy: NDArray[np.float32], sigma: float) -> NDArray[np.float32]:
            return denoiser(noisy, sigma=sigma if manifest.conditioned else None)

        ran_on = {"library": self.backend.description, "device": device_name(self.backend_name, machine)}
        return ScoredMethod(
            name=self.name,
            channels=manifest.channels,
            sigma_range=manifest.sigma_range,
            denoise=denoise,
            scale=manifest.scale,
            task=self.task,
            facts={**self.facts, **ran_on},
        )


def open_networks(files: Sequence[NetworkFile], variants: Variants, folder: Path) -> list[OpenNetwork]:
    """Open every file on every backend in every precision; files in other precisions are written to `folder`.

    Raises UserError where a backend cannot run here, or a model not on it or in a precision: nothing is replaced, not
    even where the library would run the file in another precision than its own.
    """
    networks: list[OpenNetwork] = []
    is_only_one = len(variants.backends) == 1 and len(variants.precisions) <= 1
    for given in files:
        # Once for all its variants: DRUNet takes seconds.
        cost = _cost(given)
        for backend, precision in product(variants.backends, variants.precisions or (None,)):
            written = _in_precision(given, precision, backend, variants.calibration, folder)
            file = written.file
            if backend == "tensorrt":
                file = with_engine(file, tile=variants.tile, folder=folder)
            opened = open_backend(backend, file, threads=variants.threads, listener=warnings.warn)
            try:
                require_computed(opened.manifest.precision, backend)
            except UserError as error:
                raise UserError(f"{given.file}: {error}") from error
            label = given.model if is_only_one else f"{given.model} {backend} {opened.manifest.precision}"
            networks.append(
                OpenNetwork(
                    name=label,
                    model=given.model,
                    file=file,
                    backend_name=backend,
                    backend=opened,
                    threads=variants.threads,
                    cost=cost,
                    source=written.source,
                    caveat=written.caveat,
                )
            )
    return networks


_OF_INT8 = (
    "int8 without the accuracy gate of hinas-export: only the layers at both ends of the network stay in float, "
    "whatever the others cost"
)


def _cost(given: NetworkFile) -> GraphCost:
    model = loaded_model(model_bytes(given.file))
    if model is None:
        raise UserError(f"{given.file}: damaged, or not an ONNX model")
    try:
        return cost_of_graph(model)
    except UserError as error:
        raise UserError(f"{given.file}: {error}") from error


@dataclass(frozen=True, kw_only=True)
class _Written:
    """A model file in the precision asked for."""

    file: Path
    source: str
    """Where its figures come from."""
    caveat: str | None = None
    """What a reader of its figures must know."""


def _in_precision(
    given: NetworkFile, precision: Precision | None, backend: str, calibration: CalibrationOf, folder: Path
) -> _Written:
    """The file itself where it is in the precision, its int8 file beside it, else a new one in `folder`."""
    own = _Written(file=given.file, source=given.source)
    if precision is None:
        return own
    if precision == "int8" and backend in INT8_TARGETS:
        beside = int8_file_beside(given.file, INT8_TARGETS[backend])
        if beside is not None:
            return _Written(file=beside, source=source_of(beside, model_bytes(beside)))
    model = onnx.load_from_string(model_bytes(given.file))
    try:
        if manifest_of(model).precision == precision:
            return own
        content = in_precision(model, precision, backend, calibration)
    except UserError as error:
        raise UserError(f"--precision {precision}: {given.model}: {error}") from error
    # The names of models come from people; those of these files do not.
    file = folder / f"{len(list(folder.iterdir()))}-{backend}-{precision}.onnx"
    file.write_bytes(content)
    return _Written(
        file=file,
        source=f"{given.source}, converted to {precision} by hinas-bench",
        caveat=_OF_INT8 if precision == "int8" else None,
    )


def with_engine(model: Path, *, tile: int, folder: Path) -> Path:
    """`model` where an engine lies beside it, else a copy in `folder` with one for windows up to `tile` pixels a side.

    The engine is kept in hinas-export's cache. Raises UserError where TensorRT or a GPU is missing, or TensorRT does
    not take the model.
    """
    if engine_path(model).is_file():
        return model
    require_libraries("--backend tensorrt", "tensorrt", "pycuda", "platformdirs", "filelock", extras="gpu")
    from ...export.tensorrt.build_request import BuildRequest
    from ...export.tensorrt.engine_beside_model import write_engine_beside

    copy = folder / f"engine-{len(list(folder.iterdir()))}.onnx"
    shutil.copyfile(model, copy)
    write_engine_beside(copy, BuildRequest(tile=tile), quiet=True)
    return copy

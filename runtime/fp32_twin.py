"""The fp32 model of a network whose model file computes in less, found beside that file."""

from pathlib import Path

from ..errors import UserError
from .backends.interface import Backend
from .backends.registry import open_backend
from .manifest import ModelManifest


def twin_in_fp32(model: Path, manifest: ModelManifest, *, threads: int | None = None) -> Backend | None:
    """A model in the same folder with the same network, trained weights and interface, in fp32, on the processor.

    None where there is none, or where the model itself computes in fp32.
    """
    if manifest.precision == "fp32":
        return None
    for file in sorted(model.parent.glob("*.onnx")):
        if file.resolve() == model.resolve():
            continue
        try:
            backend = open_backend("cpu", file, threads=threads)
        except UserError:
            continue  # somebody else's file
        found = backend.manifest
        if found.precision == "fp32" and (found.genotype, found.training) == (manifest.genotype, manifest.training):
            return backend
    return None

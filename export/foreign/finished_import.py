"""From somebody else's ONNX file to the bytes of a hinas model: read, imported, written in a precision, described."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TypeVar

import onnx

from ...errors import UserError
from ...network_input import NetworkInput
from ...runtime.model.manifest import Precision
from ...search.tasks.interface import Task, TaskOptions
from ...search.tasks.registry import configured_task
from ..checks.accuracy_gate import Gate, PrecisionTrial, passed
from ..checks.model_runs import runnable_as_written
from ..graph.graph_cost import cost_of_graph
from ..graph.self_describing import self_describing
from ..graph.variants import FOR_THE_RUNTIME, ModelInterface, Target
from ..precisions.table import CalibrationInputs, reduction_for
from .foreign_file import read_foreign
from .foreign_inputs import ForeignInputs, recognised
from .foreign_use import BLIND, ForeignUse
from .import_report import ImportReport
from .imported_network import ImportedNetwork, imported

_Result = TypeVar("_Result")


@dataclass(frozen=True, kw_only=True)
class ForeignImport:
    """An imported network, and where it came from."""

    network: ImportedNetwork
    source: str
    """The file's name and the start of its SHA-256."""

    @property
    def model(self) -> onnx.ModelProto:
        """The network in hinas's own form, in fp32."""
        return self.network.model

    @property
    def given(self) -> NetworkInput:
        """What the network takes."""
        return self.network.given

    @property
    def task(self) -> Task:
        """What it is held to on real images. UserError where hinas has no such task."""
        levels = self.given.level_range or self.network.use.level_range
        return configured_task(self.network.task_name, TaskOptions(scale=self.given.scale, level_range=levels))


def foreign_import(file: Path, use: ForeignUse) -> ForeignImport:
    """Read and import a file. UserError, which names the file, for all that a person can mend."""
    original = read_foreign(file)
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    try:
        network = imported(original, _complete(use, recognised(original)))
    except UserError as error:
        raise UserError(f"{file}: {error}") from error
    return ForeignImport(network=network, source=f"{file.name}, SHA-256 {digest[:16]}")


def _complete(use: ForeignUse, inputs: ForeignInputs) -> ForeignUse:
    """What the person said, where it fits what the network takes."""
    asked = None if use.condition == BLIND else use.condition
    if inputs.form is None:
        if asked is not None:
            raise UserError(f"--condition {asked}: it takes the image {inputs.image} alone; leave --condition out")
        return use
    where = "the image's last channel" if inputs.level is None else f"its input {inputs.level}"
    if asked is None:
        raise UserError(
            f"it is told the noise level by {where}; say in which unit: --condition sigma/255, or sigma for grey "
            "levels 0..255"
        )
    if use.level_range is None:
        raise UserError(
            f"it is told the noise level by {where}; say which levels it was trained for, such as --range 0:75"
        )
    return use


def finished_import(
    source: ForeignImport,
    target: Target,
    precision: Precision = "fp32",
    gate: Gate | None = None,
    calibration: CalibrationInputs = (),
    interface: ModelInterface = FOR_THE_RUNTIME,
) -> tuple[bytes, ImportReport]:
    """An imported network in a precision, as a file that describes itself; its graph stays as it is.

    Raises UserError where the precision cannot be applied to the graph, or does not pass the gate.
    """
    network, given = source.network, source.given
    asked = f"--precision {precision}, target {target}"
    reduction = _applied(asked, lambda: reduction_for(precision, target, network.model, calibration))
    trial = PrecisionTrial(model=network.model, precision=precision, target=target, reduction=reduction)
    manifest = network.manifest(precision, source={"file": source.source})
    if gate is None:
        model, certificate = _applied(asked, lambda: trial.written(())), None
    else:
        through = _applied(asked, lambda: passed(trial, gate))
        model, certificate = through.model, through.certificate
        manifest = replace(manifest, certificate=certificate.to_json(), float_arithmetic=through.floating)
    runs_as = partial(runnable_as_written, precision=precision)
    content = _applied(asked, lambda: self_describing(model, manifest, given, interface, runs_as))
    report = ImportReport(
        source=source.source,
        channels=given.channels,
        scale=given.scale,
        form=network.inputs.form,
        map_reduced=network.reduced,
        use=network.use,
        target=target,
        precision=precision,
        opset=max(item.version for item in model.opset_import if item.domain in ("", "ai.onnx")),
        cost=cost_of_graph(network.model),
        tiling=network.tiling,
        alignment=given.alignment,
        interface=interface,
        fixed_size=network.inputs.fixed_size,
        takes_batches=network.takes_batches,
        file_bytes=len(content),
        compared_sizes=network.compared_sizes,
        largest_difference=network.largest_difference,
        kept_fp32=tuple(sorted(reduction.always_kept)) if certificate is None else certificate.kept_fp32,
        certificate=certificate,
    )
    return content, report


def _applied(asked: str, step: Callable[[], _Result]) -> _Result:
    """A step that a stranger's graph may not bear. UserError that says which."""
    try:
        return step()
    except UserError:
        raise
    except Exception as error:
        # Converters, checkers and engines each raise their own.
        line = (str(error).strip() or type(error).__name__).splitlines()[0][:200]
        raise UserError(f"{asked}: cannot be applied to this graph ({line})") from error

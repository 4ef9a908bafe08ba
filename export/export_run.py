"""One run of hinas-export: genotype and weights in; a model for each target, its report and its engine out."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Protocol

from ..errors import UserError
from ..runtime.model.manifest import Precision
from ..search.genotype import Genotype
from .checks.accuracy_gate import Gate, TooMuchLostError, gate_for
from .checks.check_images import USUAL_RANGE, calibration_batches, check_images
from .freeze import PlainExport, finished_model, plain_export, write_export
from .graph.model_interface import ModelInterface
from .precisions.table import Calibration
from .rewrites.measure_rewrites import Effort, check_measurable, measured_target
from .targets import Target, file_of
from .tensorrt.build_request import BuildRequest
from .triton.model_repository import TritonRequest, write_triton_model


@dataclass(frozen=True, kw_only=True)
class ExportRequest:
    """What a person asks of hinas-export; paths as given."""

    genotype: Genotype
    weights: Path | None
    """None: random ones, for timing only."""
    model: Path
    """The first target's model file."""
    targets: tuple[Target, ...]
    precisions: tuple[Precision, ...]
    """The first one of the first target goes to `model`."""
    calibration: Path | None
    """Clean images that int8 finds its ranges on; None: int8 is not asked for."""
    check: str | None
    """Images for the accuracy gate: a folder, a file or a glob; None: no gate."""
    max_drop_db: float
    """What a precision may lose on them, at each noise level."""
    is_measured: bool
    """Whether to time every rewrite."""
    engine: BuildRequest | None
    """The TensorRT engine to build in each precision; None: none."""
    interface: ModelInterface
    """What the models take and give."""
    triton: TritonRequest | None
    """Where the one model, or its engine, is to be served from; None: nowhere."""
    quiet: bool


class Report(Protocol):
    """What was built and checked, for a person or a machine."""

    def to_json(self) -> str:
        """One JSON document."""
        ...

    def to_table(self) -> str:
        """Lines to read."""
        ...


def run_export(request: ExportRequest) -> Iterator[Report]:
    """Write every file asked for; yields the report of each as soon as it is on disk.

    Raises UserError for anything a person can mend, before the first file where that can be known; precisions that do
    not pass the gate are named when all others are written.
    """
    if request.is_measured:
        check_measurable(request.targets)
    request.interface.require_aligned(request.genotype.geometry.alignment)
    plain = plain_export(request.genotype, request.weights)
    gate = None if request.check is None else _gate(plain, request.check, request.max_drop_db)
    calibration = () if request.calibration is None else _calibration(plain, request.calibration)
    failures: list[str] = []
    first = (request.targets[0], request.precisions[0])
    for variant in product(request.targets, request.precisions):
        try:
            content, report = finished_model(plain, *variant, gate, calibration, request.interface)
        except TooMuchLostError as error:
            failures.append(str(error))
            continue
        if request.is_measured and report.precision == "fp32":
            timings = measured_target(plain.model, report.target, report.alignment, Effort())
            report = replace(report, timings=timings)
        path = file_of(variant, first, request.model)
        report_path = write_export(content, report, path)
        _announce(request, path, report_path)
        if report.is_unchecked:
            print(f"{path}: what {report.precision} costs was not checked on images; give --check", file=sys.stderr)
        yield report
    if failures:
        raise UserError("\n".join(failures))
    engine = None
    if request.engine is not None:
        from .tensorrt.engine_beside_model import write_engine_beside
        from .tensorrt.engine_report import EngineReport

        for precision in request.precisions:
            model = file_of(("tensorrt", precision), first, request.model)
            engine_path, engine = write_engine_beside(model, request.engine, quiet=request.quiet)
            _announce(request, engine_path)
            yield EngineReport(engine)
    if request.triton is not None:
        _announce(request, write_triton_model(request.triton, request.model, request.targets[0], engine))


def _gate(plain: PlainExport, source: str, max_drop_db: float) -> Gate:
    images = check_images(
        source,
        channels=plain.genotype.task.channels,
        alignment=plain.geometry.alignment,
        sigma_range=plain.sigma_range,
    )
    return gate_for(plain.model, images, max_drop_db=max_drop_db, conditioned=plain.conditioned)


def _calibration(plain: PlainExport, images: Path) -> Calibration:
    batches = calibration_batches(
        [images],
        channels=plain.genotype.task.channels,
        alignment=plain.geometry.alignment,
        sigma_range=plain.sigma_range or USUAL_RANGE,
        conditioned=plain.conditioned,
    )
    return tuple(batches)


def _announce(request: ExportRequest, *paths: Path) -> None:
    if not request.quiet:
        print(f"wrote {' and '.join(map(str, paths))}", file=sys.stderr)

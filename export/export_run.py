"""One run of hinas-export: genotype and weights, or a network from elsewhere, in; models, reports, engines out."""

import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from itertools import product
from pathlib import Path

from ..errors import UserError
from ..runtime.model.manifest import Precision
from ..search.genotype import read_genotype
from ..search.runs.progress import duration_text
from .checks.accuracy_gate import Gate, TooMuchLostError, gate_for
from .checks.check_images import check_images
from .export_report import ExportReport, Report
from .export_settings import ExportSettings
from .foreign.finished_import import ForeignImport, finished_import, foreign_import
from .foreign.import_report import ImportReport
from .freeze import PlainExport, finished_model, plain_export, write_export
from .graph.variants import Target, file_of
from .precisions.calibration import calibration_batches
from .precisions.table import CalibrationInputs
from .rewrites.measure_rewrites import Effort, check_measurable, measured_target
from .triton.model_repository import TritonRequest, write_triton_model


def run_export(settings: ExportSettings, *, clock: Callable[[], float] = time.monotonic) -> Iterator[Report]:
    """Write every file asked for; yields the report of each as soon as it is on disk.

    `clock` gives seconds. Raises UserError for anything a person can mend, before the first file where that can be
    known; precisions that do not pass the gate are named when all others are written.
    """
    served = _triton_request(settings)
    _require_means(settings)
    if settings.measure:
        check_measurable(settings.targets)
    plain, finished = _source(settings)
    gate = None if settings.check is None else _gate(plain, settings.check, settings.max_drop_db)
    calibration = () if settings.calibration is None else _calibration(plain, settings.calibration)
    failures: list[str] = []
    first = (settings.targets[0], settings.precisions[0])
    variants = list(product(settings.targets, settings.precisions))
    started = clock()
    for number, variant in enumerate(variants):
        if len(variants) > 1 and not settings.quiet:
            left = (clock() - started) / number * (len(variants) - number) if number else None
            print(_progress_line(number + 1, len(variants), variant, left), file=sys.stderr)
        try:
            content, report = finished(*variant, gate, calibration, settings.interface)
        except TooMuchLostError as error:
            failures.append(str(error))
            continue
        if settings.measure and isinstance(report, ExportReport) and report.precision == "fp32":
            timings = measured_target(plain.model, report.target, report.alignment, Effort())
            report = replace(report, timings=timings)
        path = file_of(variant, first, settings.model)
        report_path = write_export(content, report, path)
        _announce(settings, path, report_path)
        if report.is_unchecked and not settings.quiet:
            print(f"{path}: what {report.precision} costs was not checked on images; give --check", file=sys.stderr)
        yield report
    if failures:
        raise UserError("\n".join(failures))
    engine = None
    if settings.engine:
        from .tensorrt.engine_beside_model import EngineReport, write_engine_beside

        for precision in settings.precisions:
            model = file_of(("tensorrt", precision), first, settings.model)
            engine_path, engine = write_engine_beside(model, settings.build_request, quiet=settings.quiet)
            _announce(settings, engine_path)
            yield EngineReport(engine)
    if served is not None:
        _announce(settings, write_triton_model(served, settings.model, settings.targets[0], engine))


Source = PlainExport | ForeignImport
Finished = Callable[..., tuple[bytes, ExportReport | ImportReport]]
"""(target, precision, gate, calibration, interface) -> a model file's bytes and what was built and checked."""


def _source(settings: ExportSettings) -> tuple[Source, Finished]:
    """The network that is exported, and what finishes it."""
    if settings.imported is not None:
        foreign = foreign_import(settings.imported, settings.use)
        settings.interface.require_aligned(foreign.given.alignment)
        return foreign, partial(finished_import, foreign)
    genotype = read_genotype(settings.genotype_file)
    weights = settings.weights_file
    settings.interface.require_aligned(genotype.geometry.alignment)
    plain = plain_export(genotype, weights)
    return plain, partial(finished_model, plain)


def _require_means(settings: ExportSettings) -> None:
    """Raise UserError for what would stop the run only after the export: the folder, or what engines are built with."""
    folder = settings.model.parent
    if not folder.is_dir():
        raise UserError(f"--out {settings.model}: no such folder {folder}; create it first or choose another file")
    if settings.engine:
        from .tensorrt.engine_beside_model import tensorrt_and_gpu

        tensorrt_and_gpu()


def _progress_line(number: int, count: int, variant: tuple[Target, Precision], seconds_left: float | None) -> str:
    target, precision = variant
    left = "" if seconds_left is None else f", {duration_text(seconds_left)} left"
    return f"{number} of {count}: {precision} for {target}{left}"


def _triton_request(settings: ExportSettings) -> TritonRequest | None:
    if settings.triton is None:
        return None
    largest_batch = settings.build_request.batch[2]
    return TritonRequest(repository=settings.triton, name=settings.model.stem, largest_batch=largest_batch)


def _gate(plain: Source, source: str, max_drop_db: float) -> Gate:
    task, given = plain.task, plain.given
    images = check_images(source, task=task, given=given)
    return gate_for(plain.model, images, max_drop_db=max_drop_db, task=task, given=given)


def _calibration(plain: Source, images: Path) -> CalibrationInputs:
    return tuple(calibration_batches([images], task=plain.task, given=plain.given))


def _announce(settings: ExportSettings, *paths: Path) -> None:
    if not settings.quiet:
        print(f"wrote {' and '.join(map(str, paths))}", file=sys.stderr)

"""One run of hinas-export: genotype and weights in; a model for each target, its report and its engine out."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from ..search.genotype import Genotype
from ..search.spaces.registry import geometry
from .freeze import finished_model, plain_export, write_export
from .measure_rewrites import Effort, check_measurable, measured_target
from .model_interface import ModelInterface
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
    is_measured: bool
    """Whether to time every rewrite."""
    engine: BuildRequest | None
    """The TensorRT engine to build; None: none."""
    interface: ModelInterface
    """What the models take and give."""
    triton: TritonRequest | None
    """Where the one target's model, or its engine, is to be served from; None: nowhere."""
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

    Raises UserError for anything a person can mend, before the first file where that can be known.
    """
    if request.is_measured:
        check_measurable(request.targets)
    request.interface.require_aligned(geometry(request.genotype.space, request.genotype.network).alignment)
    plain = plain_export(request.genotype, request.weights)
    for target in request.targets:
        content, report = finished_model(plain, target, request.interface)
        if request.is_measured:
            timings = measured_target(plain.model, target, report.alignment, Effort())
            report = replace(report, timings=timings)
        path = file_of(target, request.targets, request.model)
        report_path = write_export(content, report, path)
        _announce(request, path, report_path)
        yield report
    engine = None
    if request.engine is not None:
        from .tensorrt.engine_beside_model import write_engine_beside
        from .tensorrt.engine_report import EngineReport

        model = file_of("tensorrt", request.targets, request.model)
        engine_path, engine = write_engine_beside(model, request.engine, quiet=request.quiet)
        _announce(request, engine_path)
        yield EngineReport(engine)
    if request.triton is not None:
        _announce(request, write_triton_model(request.triton, request.model, request.targets[0], engine))


def _announce(request: ExportRequest, *paths: Path) -> None:
    if not request.quiet:
        print(f"wrote {' and '.join(map(str, paths))}", file=sys.stderr)

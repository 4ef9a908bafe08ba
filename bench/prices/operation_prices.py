"""Prices of blocks from the latencies of whole networks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import numpy as np

from ...errors import UserError
from ...search.architecture_search.latency_table import LatencyTable, Price, write_latency_table
from ...search.architecture_search.search_space import SearchSpace, read_search_space
from ...search.genotype import Genotype
from ...search.spaces.interface import Block, SpaceDescription
from ...search.spaces.registry import space_named
from ..devices.environment import Machine, describe_machine
from ..latency.measure_latency import Rounds
from ..latency.progress import Listener
from ..latency.timed_method import Size
from ..results.results_file import make_folder
from .grouped_latency import BACKEND, grouped_latencies_ms
from .prediction import Prediction, agreement, write_predictions


def fitted_prices(counts: Sequence[Mapping[Block, int]], latencies_ms: Sequence[float]) -> dict[Block, float]:
    """Prices in milliseconds, none negative, under which the networks' sums come closest to their latencies.

    Least squares of the relative errors. Blocks that always come together share their price in some way; sums over
    networks like the given ones do not depend on which.
    """
    from scipy.optimize import nnls

    names = sorted({block for row in counts for block in row})
    matrix = np.array([[row.get(block, 0) for block in names] for row in counts], np.float64)
    latency = np.asarray(latencies_ms, np.float64)
    prices, _ = nnls(matrix / latency[:, None], np.ones(len(latency)))
    return {block: float(price) for block, price in zip(names, prices, strict=True)}


_FEWEST_CHECKED = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class PriceSettings:
    """What `hinas-bench --operations` measures and where it writes."""

    space: Path
    size: Size
    threads: int
    rounds: Rounds
    check: int
    """Random networks whose latency is predicted, then measured; 0: none."""
    seed: int
    """Of the random networks."""
    command: str
    out: Path


@dataclass(frozen=True, kw_only=True, slots=True)
class OperationsOutcome:
    """What came out."""

    table: LatencyTable
    predictions: tuple[Prediction, ...]
    files: tuple[Path, ...]


def run_operations(settings: PriceSettings, listener: Listener) -> OperationsOutcome:
    """Measure, then write latency-table.json, and with a check latency-check.csv and its picture.

    Raises UserError for everything a person can mend, before the measurements where that is possible.
    """
    space = read_search_space(settings.space)
    if 0 < settings.check < _FEWEST_CHECKED:
        raise UserError(f"--check {settings.check}: too few to say anything; give at least {_FEWEST_CHECKED}, or 0")
    machine = describe_machine()
    make_folder(settings.out)
    if machine.is_busy:
        listener.warn(f"load average {machine.load_average}: other programs disturb the latencies")
    searched = space_named(space.space)
    pricing = searched.pricing
    if pricing is None:
        raise UserError(f"{settings.space}: the space {space.space} is not priced by blocks")
    probes = pricing.probes(space.settings)
    draw = Random(settings.seed)
    checked = [searched.random(space.settings, draw) for _ in range(settings.check)]
    with TemporaryDirectory(prefix="hinas-operations-") as folder:
        models = _frozen([*probes, *checked], space, Path(folder), listener)
        latencies, library = grouped_latencies_ms(
            models, settings.size, threads=settings.threads, rounds=settings.rounds, listener=listener
        )
    counts = [pricing.blocks(description, space.task) for description in [*probes, *checked]]
    prices = fitted_prices(counts[: len(probes)], latencies[: len(probes)])
    table = _table(prices_of(prices), settings, space, machine, library)
    predictions = tuple(
        Prediction(
            model=f"random-{index}",
            genotype=_genotype(description, space).identity,
            predicted_ms=table.predicted_ms(count),
            measured_ms=measured,
        )
        for index, (description, count, measured) in enumerate(
            zip(checked, counts[len(probes) :], latencies[len(probes) :], strict=True)
        )
    )
    files = [settings.out / "latency-table.json"]
    write_latency_table(table, files[0])
    if predictions:
        files += _written(predictions, table, settings.out)
    return OperationsOutcome(table=table, predictions=predictions, files=tuple(files))


def prices_of(prices: Mapping[Block, float]) -> tuple[Price, ...]:
    """Prices as lines of a latency table, in a fixed order."""
    return tuple(
        Price(
            name=block.name,
            in_channels=block.in_channels,
            out_channels=block.out_channels,
            stride=block.stride,
            ms=round(prices[block], 5),
        )
        for block in sorted(prices)
    )


def _genotype(description: SpaceDescription, space: SearchSpace) -> Genotype:
    return Genotype(space=space.space, task=space.task, network=description)


def _frozen(
    descriptions: Sequence[SpaceDescription], space: SearchSpace, folder: Path, listener: Listener
) -> list[str]:
    """Every network as a model file with random weights."""
    from ...export.freeze import frozen_model, write_export

    listener.begin("export", len(descriptions))
    models: list[str] = []
    for index, description in enumerate(descriptions):
        path = folder / f"network-{index:03}.onnx"
        write_export(*frozen_model(_genotype(description, space), None), path)
        models.append(str(path))
        listener.step()
    return models


def _table(
    prices: tuple[Price, ...], settings: PriceSettings, space: SearchSpace, machine: Machine, library: str
) -> LatencyTable:
    return LatencyTable(
        space=space.space,
        backend=BACKEND,
        library=library,
        machine=machine.cpu,
        threads=settings.threads,
        width=settings.size.width,
        height=settings.size.height,
        created=datetime.now(UTC).date().isoformat(),
        command=settings.command,
        prices=prices,
    )


def _written(predictions: Sequence[Prediction], table: LatencyTable, out: Path) -> list[Path]:
    from ...figures import write_both
    from .prediction import prediction_figure

    path = out / "latency-check.csv"
    write_predictions(predictions, path)
    figure = prediction_figure(
        predictions,
        title=f"Latency by table and by clock: {table.width}x{table.height} pixels, {table.machine}",
        conditions=f"{table.library}, {table.created}",
    )
    return [path, *write_both(figure, out / "latency-check")]


def operations_table(outcome: OperationsOutcome) -> str:
    """Prices for a person, the dearest first, and how well they predict."""
    lines = [f"{'block':<16} {'channels':>12} {'stride':>6} {'ms':>9}"]
    for price in sorted(outcome.table.prices, key=lambda price: -price.ms):
        channels = f"{price.in_channels} -> {price.out_channels}"
        lines.append(f"{price.name:<16} {channels:>12} {price.stride:>6} {price.ms:>9.3f}")
    if outcome.predictions:
        lines.append(str(agreement(outcome.predictions)))
    return "\n".join(lines)

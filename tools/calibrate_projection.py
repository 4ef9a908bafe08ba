"""Try the projection on this machine's processor: fitted to networks measured here, tested on those left out.

Run: python tools/calibrate_projection.py 14 --out calibration
"""

import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Annotated, Any

# Before NumPy is loaded: its own threads would compete with the network's.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import onnx
import typer
from hinas.atomic_files import written_whole
from hinas.bench.bench_settings import only_size
from hinas.bench.devices.environment import Machine, describe_machine
from hinas.bench.latency.measure_latency import Rounds
from hinas.bench.latency.progress import Listener, ProgressBars
from hinas.bench.latency.timed_method import Size
from hinas.bench.methods.network_files import bundled_denoisers
from hinas.bench.prices.grouped_latency import grouped_latencies_ms
from hinas.bench.prices.prediction import Agreement, Prediction, agreement, write_predictions
from hinas.bench.projection.efficiency_fit import fitted_efficiency, left_out_projections_ms
from hinas.bench.projection.engine_kernels import layers_of
from hinas.bench.projection.host_roof import host_roof
from hinas.bench.projection.known_networks import dncnn, ffdnet, separable_chain
from hinas.bench.projection.roofline import Calibration, Roof
from hinas.bench.results.results_file import make_folder
from hinas.command_line import run_command
from hinas.errors import UserError
from hinas.runtime.model.bundled_models import model_file
from hinas.search.genotype import Genotype
from hinas.search.spaces.interface import TaskDescription
from hinas.search.spaces.registry import space_named, space_settings

_CHAINS: Mapping[str, Callable[[], onnx.ModelProto]] = {
    "dncnn-6x64": lambda: dncnn(depth=6, width=64),
    "dncnn-10x32": lambda: dncnn(depth=10, width=32),
    "dncnn-8x48-color": lambda: dncnn(3, depth=8, width=48),
    "ffdnet-15x64": lambda: ffdnet(),
    "ffdnet-12x96-color": lambda: ffdnet(3, depth=12, width=96),
    "separable-10x32": lambda: separable_chain(depth=10, width=32),
    "separable-6x48": lambda: separable_chain(depth=6, width=48, kernel=5),
}
_SPACES: tuple[dict[str, Any], ...] = (
    {"layers": 3, "nodes": 4},
    {"layers": 4, "nodes": 2, "compact_width": 24},
    {
        "layers": 1,
        "nodes": 2,
        "compact_width": 16,
        "stem": {"resolution": "full", "channels": 16},
        "end": {"channels": 32, "early_channels": 16},
    },
)
"""Settings of the hinas space that the random networks are drawn with, in turn."""
_FEWEST_RANDOM = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class CalibrationSettings:
    """What is measured and where it is written."""

    num_random: int
    """Random networks beside the bundled models and the chains."""
    size: Size
    threads: int
    rounds: Rounds
    seed: int
    """Of the random networks."""
    out: Path
    """A folder; made if missing."""

    def __post_init__(self) -> None:
        if self.num_random < _FEWEST_RANDOM:
            raise UserError(f"{self.num_random}: too few random networks; give at least {_FEWEST_RANDOM}")


@dataclass(frozen=True, kw_only=True, slots=True)
class CalibrationOutcome:
    """What came out."""

    machine: Machine
    roof: Roof
    calibration: Calibration
    """Fitted to all networks; its range is that of the networks left out."""
    predictions: tuple[Prediction, ...]
    """Each from a fit to the other networks."""
    files: tuple[Path, ...]

    @property
    def agreement(self) -> Agreement:
        """Of the networks left out."""
        return agreement(self.predictions)

    def to_json(self) -> str:
        """The text of calibration.json."""
        document = {
            "format": "hinas-calibration",
            "version": 1,
            "machine": self.machine.model_dump(mode="json"),
            "roof": asdict(self.roof),
            "calibration": asdict(self.calibration),
            "agreement": asdict(self.agreement),
        }
        return json.dumps(document, indent=1) + "\n"


def run_calibration(settings: CalibrationSettings, listener: Listener) -> CalibrationOutcome:
    """Measure this machine, then write calibration.json, predictions.csv and the picture calibration.png and .svg.

    Raises UserError for everything a person can mend, before the measurements where that is possible.
    """
    machine = describe_machine()
    make_folder(settings.out)
    if machine.is_busy:
        listener.warn(f"load average {machine.load_average}: other programs disturb the latencies")
    listener.begin("peaks", 1)
    roof = host_roof(machine.cpu, threads=settings.threads)
    listener.step()
    with TemporaryDirectory(prefix="hinas-calibrate-") as folder:
        models = _model_files(settings, Path(folder), listener)
        latencies, library = grouped_latencies_ms(
            [str(path) for path in models.values()],
            settings.size,
            threads=settings.threads,
            rounds=settings.rounds,
            listener=listener,
        )
        networks = [layers_of(onnx.load(path), settings.size, value_bytes=4) for path in models.values()]
    projected = left_out_projections_ms(networks, latencies, roof)
    predictions = tuple(
        Prediction(model=name, genotype="", predicted_ms=predicted, measured_ms=measured)
        for name, predicted, measured in zip(models, projected, latencies, strict=True)
    )
    ratios = [item.measured_ms / item.predicted_ms for item in predictions]
    calibration = replace(
        fitted_efficiency(networks, latencies, roof), range_factors=(min(1.0, *ratios), max(1.0, *ratios))
    )
    outcome = CalibrationOutcome(machine=machine, roof=roof, calibration=calibration, predictions=predictions, files=())
    return replace(outcome, files=_written(outcome, settings, library))


def _model_files(settings: CalibrationSettings, folder: Path, listener: Listener) -> dict[str, Path]:
    """Every network's model file by name, bundled ones first."""
    from hinas.export.freeze import frozen_model, write_export

    files = {name: model_file(name) for name in bundled_denoisers()}
    for name, build in _CHAINS.items():
        files[name] = folder / f"{name}.onnx"
        onnx.save(build(), files[name])
    draw = Random(settings.seed)
    listener.begin("export", settings.num_random)
    for index in range(settings.num_random):
        drawn_from = space_settings("hinas", _SPACES[index % len(_SPACES)])
        description = space_named("hinas").random(drawn_from, draw)
        genotype = Genotype(space="hinas", task=TaskDescription(channels=1), network=description)
        name = f"random-{index:02}"
        files[name] = folder / f"{name}.onnx"
        write_export(*frozen_model(genotype, None), files[name])
        listener.step()
    return files


def _written(outcome: CalibrationOutcome, settings: CalibrationSettings, library: str) -> tuple[Path, ...]:
    from hinas.bench.prices.prediction import prediction_figure
    from hinas.figures import write_both

    document, table = settings.out / "calibration.json", settings.out / "predictions.csv"
    with written_whole(document) as temporary:
        temporary.write_text(outcome.to_json(), encoding="utf-8")
    write_predictions(outcome.predictions, table)
    figure = prediction_figure(
        outcome.predictions,
        title=f"Latency projected and measured: {settings.size} pixels, {outcome.machine.cpu}",
        conditions=f"each from a fit to the others; {library}, {outcome.machine.date_utc:%Y-%m-%d}",
    )
    return (document, table, *write_both(figure, settings.out / "calibration"))


def calibration_table(outcome: CalibrationOutcome) -> str:
    """Peaks, shares and predictions for a person."""
    roof, shares = outcome.roof, outcome.calibration
    low, high = shares.range_factors
    lines = [
        f"{roof.device}: {roof.macs_per_s / 1e9:.1f} GMAC/s, {roof.bytes_per_s / 1e9:.1f} GB/s, "
        f"{1e6 * roof.launch_s:.1f} us for each kernel",
        f"shares reached: dense {shares.dense:.2f}, pointwise {shares.pointwise:.2f}, "
        f"grouped {shares.grouped:.2f}, memory {shares.memory:.2f}",
        *_prediction_lines(outcome.predictions),
        f"{outcome.agreement}; measured over projected {low:.2f} to {high:.2f}",
    ]
    return "\n".join(lines)


def _prediction_lines(predictions: Sequence[Prediction]) -> list[str]:
    return [
        f"  {item.model:<20} projected {item.predicted_ms:8.2f} ms, measured {item.measured_ms:8.2f} ms, "
        f"{100 * item.relative_error:+6.1f} %"
        for item in predictions
    ]


app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)


@app.command()
def main(
    num_random: Annotated[int, typer.Argument(help="Random networks beside the bundled models and the fixed ones.")],
    size: Annotated[str, typer.Option(help="Of the images, WIDTHxHEIGHT.")] = "481x321",
    threads: Annotated[int, typer.Option(min=1, help="Processor threads of one run.")] = 1,
    rounds: Annotated[int, typer.Option(min=1, help="Timed runs of each network, at least.")] = 10,
    seed: Annotated[int, typer.Option(min=0, help="Of the random networks.")] = 0,
    out: Annotated[Path, typer.Option(help="Folder for the files.")] = Path("calibration"),
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress, no notes.")] = False,
) -> None:
    """Measure this machine, project every network from a fit to the others, and say how well that does.

    Example: python tools/calibrate_projection.py 14 --out calibration
    """
    settings = CalibrationSettings(
        num_random=num_random,
        size=only_size(size, "a calibration"),
        threads=threads,
        rounds=Rounds.at_least(rounds),
        seed=seed,
        out=out,
    )
    with ProgressBars(is_quiet=quiet) as bars:
        outcome = run_calibration(settings, Listener(note=bars.note, begin=bars.begin, step=bars.step))
    print(calibration_table(outcome))
    if not quiet:
        print(f"wrote {', '.join(map(str, outcome.files))}", file=sys.stderr)


if __name__ == "__main__":
    run_command(app)

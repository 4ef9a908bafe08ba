"""One session of scoring pairs: folders in, results and files out."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from ..errors import UserError
from .devices.environment import describe_machine
from .latency.progress import Listener
from .pairs.measure_pairs import PairScore, measure_pairs, write_pair_scores
from .pairs.pair_entries import pair_entries
from .pairs.pair_files import PairSet, find_pairs
from .pairs.pair_methods import Levels, pair_methods
from .pairs.pair_pictures import PairPicture, pair_pictures
from .report.html_page import write_report
from .results.entries import Entry, Results
from .results.results_file import make_folder, write_results, write_results_csv
from .session import BenchOutcome


@dataclass(frozen=True, kw_only=True, slots=True)
class PairsSettings:
    """What to score and on what."""

    folders: tuple[Path, ...]
    """At least one; each is a set of its own."""
    models: tuple[str, ...] = ()
    """Bundled names or paths, beside what hinas-denoise does by itself."""
    levels: Levels = field(default_factory=Levels)
    limit: int | None = None
    """At most this many pairs of each folder, evenly spread; None: all."""
    threads: int = 1
    """Processor threads of one run."""
    out: Path
    """A folder; made if missing, files of the same names in it are replaced."""

    def __post_init__(self) -> None:
        for option, levels in (("sigma", self.levels.given), ("oracle", self.levels.oracle)):
            if levels and not self.models:
                raise UserError(
                    f"--{option}: with --pairs the levels are for models that are named; add --model, such as "
                    "--model color"
                )
            for level in levels:
                if not 0 < level <= 255:
                    raise UserError(f"--{option}: {level:g} is no noise level; expected grey levels such as 5,10,15")


def run_pairs(settings: PairsSettings, listener: Listener) -> BenchOutcome:
    """Score, then write results.json, results.csv, pairs.csv and report.html.

    Raises UserError for everything a person can mend, before the first picture is denoised where that is possible.
    """
    machine = describe_machine()
    sets = _pair_sets(settings, listener.warn)
    with TemporaryDirectory(prefix="hinas-bench-") as folder:
        methods = pair_methods(
            settings.models, settings.levels, threads=settings.threads, folder=Path(folder), note=listener.note
        )
        make_folder(settings.out)
        scores: list[PairScore] = []
        entries: list[Entry] = []
        pictures: list[PairPicture] = []
        for pairs in sets:
            listener.begin(f"pairs {pairs.name}", len(pairs.pairs))
            found = measure_pairs(methods, pairs, progress=listener.step, warn=listener.warn)
            scores += found
            entries += pair_entries(found, methods)
            pictures += pair_pictures(methods[0], pairs, found)
    results = Results(machine=machine, entries=tuple(entries))
    files = tuple(settings.out / name for name in ("results.json", "results.csv", "pairs.csv", "report.html"))
    write_results(results, files[0])
    write_results_csv(results, files[1])
    write_pair_scores(scores, files[2])
    write_report(results, files[3], size=None, pair_pictures=pictures)
    return BenchOutcome(results=results, files=files)


def _pair_sets(settings: PairsSettings, warn: Callable[[str], None]) -> list[PairSet]:
    sets = [find_pairs(folder, limit=settings.limit) for folder in settings.folders]
    for pairs, folder in zip(sets, settings.folders, strict=True):
        if sum(other.name == pairs.name for other in sets) > 1:
            raise UserError(f"--pairs {folder}: two sets would be called {pairs.name}; give them in two commands")
        for warning in pairs.warnings:
            warn(warning)
    return sets

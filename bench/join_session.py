"""hinas-bench --join: the results of several sessions as those of one, with its tables, pictures and report."""

from dataclasses import dataclass
from pathlib import Path

from ..errors import UserError
from .latency.progress import Listener
from .pairs.measure_pairs import PROTOCOL_IN_WORDS
from .results.entries import Results
from .results.joining import NamedResults, is_enlarging, joined_results, latencies_of
from .results.pairs_texts import pairs_table
from .results.result_texts import results_table
from .results.results_file import make_folder, read_results
from .session import BenchOutcome
from .session_output import write_outputs


@dataclass(frozen=True, kw_only=True, slots=True)
class JoinSettings:
    """What to join and where to."""

    files: tuple[Path, ...]
    """Results files, at least two different ones."""
    out: Path
    """A folder; made if missing, files of the same names in it are replaced, none of `files` among them."""

    def __post_init__(self) -> None:
        if len(self.files) < 2:
            names = ", ".join(map(str, self.files))
            raise UserError(f"--join {names}: one file has nothing to be joined with; repeat --join FILE")
        places = [file.resolve() for file in self.files]
        for index, file in enumerate(self.files):
            if places[index] in places[:index]:
                raise UserError(f"--join {file}: given twice; name each results file once")
        if (self.out / "results.json").resolve() in places:
            raise UserError(f"--out {self.out}: holds a results.json that is to be joined; give another folder")


def run_join(settings: JoinSettings, listener: Listener) -> BenchOutcome:
    """Join, then write results.json, results.csv, the pictures and report.html.

    Scores of single images, sample pictures and rooflines are not in results files and stay where they are. Raises
    UserError, before anything is written, where a file cannot be read or two do not go together.
    """
    parts = [NamedResults(name=str(file), results=read_results(file)) for file in settings.files]
    results = joined_results(parts)
    timed = [part.name for part in parts if latencies_of(part.results)]
    if len(timed) > 1:
        listener.warn(
            f"latencies of {', '.join(timed)}: not measured in the same rounds, so that a small difference between "
            "their models may be the machine's"
        )
    make_folder(settings.out)
    return BenchOutcome(results=results, files=write_outputs(results, (), (), (), _sizes(results), settings.out))


def joined_table(results: Results) -> str:
    """The tables of a session, and those of pairs if there are any."""
    pairs = tuple(entry for entry in results.entries if entry.protocol == "pairs")
    others = tuple(entry for entry in results.entries if entry.protocol != "pairs")
    texts = [results_table(results.model_copy(update={"entries": others})), pairs_table(pairs, PROTOCOL_IN_WORDS)]
    return "\n".join(text for text in texts if text)


def _sizes(results: Results) -> list[str]:
    """Of the latencies, those of models that do not enlarge first: the pictures are drawn at the first one."""
    timed = sorted(latencies_of(results), key=is_enlarging)
    return list(dict.fromkeys(entry.size for entry in timed if entry.size is not None))

"""Run steps one after the other, each in a time limit, and keep what became of each as soon as it is known."""

import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from hinas.atomic_files import written_whole
from hinas.errors import UserError

from .plan import Step
from .tables import Table

FORMAT, VERSION = "hinas-gpu-hour", 1

Became = Literal["done", "failed", "out of time", "not begun"]


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of a step."""

    became: Became
    reason: str
    """Why it is not done; empty where it is."""
    seconds: float
    commands: tuple[tuple[str, ...], ...]
    tables: tuple[Table, ...]
    """Of a step that is not done, what it measured before."""

    @property
    def text(self) -> str:
        """For a person, in one line that fits into a table."""
        line = self.became + (f": {self.reason}" if self.reason else "")
        return line.replace("|", "/").replace("\n", " ")


def run_step(step: Step, limit_s: float) -> Outcome:
    """Run a step's commands within a time, all together; what they started is ended with them."""
    if step.folder.exists():
        shutil.rmtree(step.folder)
    step.folder.mkdir(parents=True)
    started = time.monotonic()
    texts: list[str] = []
    became, reason = "done", ""
    for command in step.commands:
        code, text, errors = _run(command, limit_s - (time.monotonic() - started))
        texts.append(text)
        (step.folder / "errors.txt").write_text(errors, encoding="utf-8")
        if code is None:
            became, reason = "out of time", f"after {limit_s:.0f} s"
            break
        # A check that finds a wrong engine prints its table and exits with 1.
        if code:
            became, reason = "failed", _last_words(errors, code)
            break
    return Outcome(
        became=became,
        reason=reason,
        seconds=round(time.monotonic() - started, 1),
        commands=step.commands,
        tables=_tables(step, "\n".join(texts)),
    )


def run_plan(
    steps: Sequence[Step],
    results: Path,
    machine: Mapping[str, str],
    *,
    max_seconds: float,
    report: Callable[[Step, Outcome], None],
) -> dict[str, Outcome]:
    """Run the steps that `results` does not have as done yet; returns what became of all it knows.

    `results` is written after every step. Steps that find no time left are not begun. Raises UserError where `results`
    are of another machine.
    """
    outcomes = read_outcomes(results, machine)
    started = time.monotonic()
    for step in steps:
        if step.name in outcomes and outcomes[step.name].became == "done":
            continue
        left_s = max_seconds - (time.monotonic() - started)
        if left_s <= 0:
            reason = "no time is left; start again"
            outcome = Outcome(became="not begun", reason=reason, seconds=0.0, commands=step.commands, tables=())
        else:
            outcome = run_step(step, min(step.limit_s, left_s))
        outcomes[step.name] = outcome
        _write(outcomes, machine, results)
        report(step, outcome)
    return outcomes


def read_outcomes(results: Path, machine: Mapping[str, str]) -> dict[str, Outcome]:
    """What an earlier start has found out, nothing where there was none; UserError where it was on another machine."""
    try:
        document = json.loads(results.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise UserError(f"{results}: cannot be read ({error}); choose another --out") from error
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise UserError(f"{results}: not the results of a GPU's hour; choose another --out")
    if document["machine"] != dict(machine):
        raise UserError(f"{results}: of another machine ({_named(document['machine'])}); choose another --out")
    return {name: _outcome(stored) for name, stored in document["steps"].items()}


def _outcome(stored: dict[str, Any]) -> Outcome:
    tables = tuple(
        Table(tuple(table["columns"]), tuple(tuple(row) for row in table["rows"])) for table in stored["tables"]
    )
    commands = tuple(tuple(command) for command in stored["commands"])
    return Outcome(**{**stored, "tables": tables, "commands": commands})


def _write(outcomes: Mapping[str, Outcome], machine: Mapping[str, str], results: Path) -> None:
    steps = {name: asdict(outcome) for name, outcome in outcomes.items()}
    document = {"format": FORMAT, "version": VERSION, "machine": dict(machine), "steps": steps}
    with written_whole(results) as temporary:
        temporary.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def _run(command: Sequence[str], limit_s: float) -> tuple[int | None, str, str]:
    """Exit code, None where the time was over; what it printed, and what it said of errors."""
    # Files, not pipes: what was printed before the end of the time is there, and a full pipe stops nobody.
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
        with subprocess.Popen(
            command, stdout=output, stderr=errors, start_new_session=True, env=environment
        ) as process:
            try:
                code = process.wait(timeout=max(0.0, limit_s))
            except subprocess.TimeoutExpired:
                code = None
            finally:
                if process.poll() is None:
                    os.killpg(process.pid, signal.SIGKILL)
        return code, _text_of(output), _text_of(errors)


def _text_of(file: Any) -> str:
    file.seek(0)
    return file.read().decode(errors="replace")


def _tables(step: Step, text: str) -> tuple[Table, ...]:
    return tuple(step.tables(text, step.folder))


def _last_words(errors: str, code: int) -> str:
    lines = [line for line in errors.splitlines() if line.strip()]
    said = [line.removeprefix("error: ") for line in lines if line.startswith("error: ")]
    return (said or lines or [f"exit code {code}"])[-1]


def _named(machine: Mapping[str, str]) -> str:
    return ", ".join(machine.values()) or "without a GPU"

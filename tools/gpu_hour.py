"""Everything that waits for a GPU, in one go of under 25 minutes; started again, it does what is not done yet.

Engines in all precisions with their numerics, latencies, copies, CUDA graphs, memory, energy, hinas-bench --gpu
measured, training and search. Before: pip install ".[gpu,search,bench]" on a machine with NVIDIA's driver.
"""

import sys
from pathlib import Path
from typing import Annotated

import typer
from hinas.command_line import run_command
from hinas.errors import UserError
from on_gpu.describe_machine import gpu_fields
from on_gpu.plan import LARGEST_MINUTES, TOOLS, Step, gpu_plan
from on_gpu.run_steps import Outcome, run_plan
from on_gpu.tables import paste_table

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)


@app.command()
def main(
    photos: Annotated[
        Path,
        typer.Argument(
            help="A folder of clean images, to calibrate, to score and to train on. The default is for times alone."
        ),
    ] = TOOLS.parent / "docs" / "photographs",
    out: Annotated[Path, typer.Option(help="Folder for results.json and what the steps write.")] = Path("gpu-hour"),
    only: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="This step alone; repeatable.", show_default=False)
    ] = None,
    minutes: Annotated[float, typer.Option(min=0, help="After these no step is begun or goes on.")] = LARGEST_MINUTES,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the plan and stop.")] = False,
) -> None:
    """Run the steps that wait for a GPU, print one table to paste, and write results.json.

    Steps that are done already are left out. One that cannot run says why, and the others go on.

    Example: python tools/gpu_hour.py photos/ --out gpu-hour
    """
    machine = gpu_fields() or {}
    steps = _chosen(gpu_plan(out, photos, _known_name(machine.get("name"))), only)
    if dry_run:
        print("\n".join(map(_plan_text, steps)))
        return
    if not photos.is_dir():
        raise UserError(f"{photos}: no such folder; give a folder of clean images")
    out.mkdir(parents=True, exist_ok=True)
    outcomes = run_plan(steps, out / "results.json", machine, max_seconds=60 * minutes, report=_report)
    print(paste_table((name, one.text, one.seconds, one.tables) for name, one in outcomes.items()), end="")


def _chosen(steps: tuple[Step, ...], only: list[str] | None) -> list[Step]:
    names = [step.name for step in steps]
    for name in only or ():
        if name not in names:
            raise UserError(f"--only: got {name!r}, expected {', '.join(names)}")
    return [step for step in steps if only is None or step.name in only]


def _known_name(name: str | None) -> str | None:
    """The GPU's name if hinas-bench has a profile of it; None: it can be measured, but not by --gpu."""
    from hinas.bench.devices.profile import device_profile

    if name is None:
        return None
    try:
        device_profile(name)
    except UserError:
        return None
    return name


def _plan_text(step: Step) -> str:
    commands = "".join(f"\n    {' '.join(command)}" for command in step.commands)
    return f"{step.name}: {step.about}; at most {step.limit_s} s{commands}"


def _report(step: Step, outcome: Outcome) -> None:
    print(f"{step.name}: {outcome.text}, {outcome.seconds:.0f} s", file=sys.stderr, flush=True)


if __name__ == "__main__":
    run_command(app)

"""What the GPU's hour does: steps with the commands that a person would type, each with a time limit."""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from hinas.export.graph.variants import file_of
from hinas.runtime.model.manifest import Precision

from .tables import Table, bench_table, markdown_tables, training_table

TOOLS = Path(__file__).parent.parent
HINAS = TOOLS.parent
LARGEST_MINUTES = 25
MODEL = "color"
PRECISIONS: tuple[Precision, ...] = ("fp32", "fp16", "bf16", "int8")


@dataclass(frozen=True, kw_only=True)
class Step:
    """One part of the hour."""

    name: str
    about: str
    """What it shows, for a person."""
    commands: tuple[tuple[str, ...], ...]
    """Programs with their arguments, run one after the other until one fails."""
    limit_s: int
    """Of all its commands together."""
    folder: Path
    """Its own: emptied before it runs, for commands refuse folders that are in use."""
    tables: Callable[[str, Path], Sequence[Table]]
    """(what the commands printed, the folder) -> what was measured, as far as it came."""


def gpu_plan(out: Path, photos: Path, gpu: str | None) -> tuple[Step, ...]:
    """The steps in their order: what matters most comes first. `gpu`: as hinas-bench's table calls it, if it does."""
    models = [
        file_of(("tensorrt", one), ("tensorrt", PRECISIONS[0]), out / "models" / f"{MODEL}.onnx") for one in PRECISIONS
    ]
    fp32, fp16 = models[0], models[1]
    noisy, genotype = HINAS / "examples" / "noisy.png", HINAS / "search" / "genotypes" / f"{MODEL}.json"
    # With --gpu hinas-bench finds out itself that the GPU is here, and measures it instead of projecting.
    measured = () if gpu is None else ("--gpu", Path(gpu))

    def step(
        name: str,
        limit_s: int,
        about: str,
        *commands: tuple[str, ...],
        tables: Callable[[str, Path], Sequence[Table]] = printed,
    ) -> Step:
        return Step(name=name, about=about, commands=commands, limit_s=limit_s, folder=out / name, tables=tables)

    return (
        step("machine", 60, "the GPU, its driver and the libraries", _tool("on_gpu/describe_machine.py")),
        step(
            "models",
            150,
            "the model files that the next steps read",
            _command("export", f"{MODEL} --target tensorrt --precision {','.join(PRECISIONS)} --quiet", "--out", fp32,
                     "--calibration", photos),
            tables=nothing,
        ),
        step(
            "engines",
            420,
            "engines of all precisions: build, numerics beside ONNX Runtime, latency without copies",
            _tool("on_gpu/check_tensorrt.py", *models, "--reference", fp32),
        ),
        step(
            "backends",
            210,
            "copies beside computing, CUDA graphs and batches of tiles, held to the processor",
            _tool("on_gpu/check_gpu_backends.py", fp32, fp16),
        ),
        step(
            "command",
            120,
            "hinas-export --engine and hinas-denoise --backend tensorrt, as a person uses them",
            _command("export", f"{MODEL} --precision fp16 --engine --quiet", "--out", out / "command" / "model.onnx"),
            _command("denoise", noisy, out / "command" / "denoised.png", "--backend tensorrt", "--model",
                     out / "command" / "model.onnx"),
            tables=nothing,
        ),
        step(
            "bench",
            240,
            "hinas-bench: latency, transfers, memory, energy, share of the peak, quality",
            _command("bench", f"--model {MODEL} --backend tensorrt,cuda --precision fp32,fp16 --size 481x321,1920x1080",
                     *measured, "--limit 2 --sigma 30 --rounds 10 --quiet --data", photos, "--out", out / "bench"),
            tables=lambda _, folder: bench_table(folder / "results.json"),
        ),
        step(
            "training",
            150,
            "hinas-train: iterations a second",
            _command("train", genotype, photos, "--max-minutes 1.5 --device cuda --quiet --out", out / "training"),
            tables=lambda _, folder: training_table(folder / "history.csv"),
        ),
        step(
            "search",
            150,
            "steps of a search: time and memory",
            _tool("measure_search.py", photos, "--space hinas --device cuda"),
        ),
    )  # fmt: skip


def printed(text: str, _: Path) -> Sequence[Table]:
    """The tables that a step's commands print."""
    return markdown_tables(text)


def nothing(_text: str, _folder: Path) -> Sequence[Table]:
    """For steps that measure nothing: that they work is their result."""
    return ()


def _command(room: str, *parts: str | Path) -> tuple[str, ...]:
    """One of hinas's commands, of the hinas that this Python imports; a text holds words, a path stays one."""
    return (sys.executable, "-c", f"from hinas.entry_points import {room}; {room}()", *_words(parts))


def _tool(name: str, *parts: str | Path) -> tuple[str, ...]:
    return (sys.executable, str(TOOLS / name), *_words(parts))


def _words(parts: Sequence[str | Path]) -> list[str]:
    return [word for part in parts for word in (part.split() if isinstance(part, str) else [str(part)])]

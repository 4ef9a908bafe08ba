"""Measure what a search step costs: time and peak memory, each kind of search in a fresh process.

`hinas`: with and without cell sharing. `superkernel`: one masked convolution (`full`) beside the slices' activations
(`separate`). A step is a turn of every phase of the search.

Run: python tools/measure_search.py PHOTOS [--space hinas] [--device cuda]
"""

import argparse
import subprocess
import sys
import time
from itertools import product
from pathlib import Path
from typing import Any

HINAS: Any = {
    "stem": {"resolution": "half", "channels": 32},
    "end": {"channels": 64, "early_channels": 32},
    "conditioning": {},
}
SUPERKERNEL: Any = {"resolution": "full", "depth": 2, "width": 16, "kernels": [3, 5, 7]}
SPACES: Any = {
    "hinas": {
        "searched widths, shared cells": HINAS,
        "searched widths, a copy for every exit": HINAS | {"cell_sharing": False},
        "one width": HINAS | {"width_search": "fixed"},
    },
    "superkernel": {
        "joint, full": SUPERKERNEL,
        "joint, separate": SUPERKERNEL | {"mask": "separate"},
        "filterwise, full": SUPERKERNEL | {"choice": "filterwise"},
        "filterwise, separate": SUPERKERNEL | {"choice": "filterwise", "mask": "separate"},
        "no choice: the whole superkernels": SUPERKERNEL | {"kernels": [7], "growths": [1.0]},
    },
}
STEPS = 4


def main() -> None:
    """Print a table, one line for each space and precision."""
    given = arguments_parser().parse_args()
    if given.only:
        print(measured(given.photos, given.device, given.mixture, *given.only))
        return
    print("| search | precision | parameters | s per step | peak MiB |")
    print("|---|---|---|---|---|")
    wanted = [(space, kind) for space in given.space or SPACES for kind in SPACES[space]]
    for (space, kind), precision in product(wanted, given.precision or ("fp32", "bf16")):
        command = [sys.executable, __file__, given.photos, "--device", given.device, "--mixture", given.mixture]
        command += ["--only", space, kind, precision]
        print(subprocess.run(command, check=True, text=True, stdout=subprocess.PIPE).stdout, end="", flush=True)


def arguments_parser() -> argparse.ArgumentParser:
    """What the command line may hold."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--space", choices=SPACES, action="append", help="Repeatable. Default: all.")
    parser.add_argument("--precision", choices=("fp32", "bf16"), action="append", help="Repeatable. Default: both.")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--mixture", choices=("softmax", "sampled"), default="softmax", help="Sampled: hinas alone.")
    parser.add_argument("--only", nargs=3, metavar=("SPACE", "KIND", "PRECISION"), help=argparse.SUPPRESS)
    return parser


def measured(photos: Path, device_name: str, mixture: Any, space: str, kind: str, precision: Any) -> str:
    """One line: the mean of a step, and the memory after them."""
    import torch
    from hinas.search.architecture_search.search_loop import search
    from hinas.search.architecture_search.search_state import Searched, SearchState, new_search
    from hinas.search.images.image_folder import load_images
    from hinas.search.images.training_images import PatchSource
    from hinas.search.learning.device import chosen_device
    from hinas.search.learning.distributed import Ranks
    from hinas.search.spaces.interface import TaskDescription
    from hinas.search.spaces.registry import space_named, space_settings
    from hinas.search.spaces.schedule import SearchSchedule
    from hinas.search.tasks.denoise import Denoise

    torch.set_num_threads(1)
    device = chosen_device(device_name)
    searcher = space_named(space).searcher(space_settings(space, SPACES[space][kind]), TaskDescription(channels=1))
    patches = PatchSource(load_images(photos, channels=1, smallest_side=64).images, device=device)
    # The first epoch warms up, the last one is judged; the two between hold nothing but steps.
    schedule = SearchSchedule(epochs=4, warm_up_epochs=0, validate_from_epoch=4, mixture=mixture)
    state = new_search(searcher, schedule, seed=0, device=device, arithmetic=precision)
    moments: list[float] = []

    def note_time(_: SearchState) -> None:
        if device.type == "cuda":
            torch.cuda.synchronize()
        # The one thread's own time, whatever else the processor does.
        moments.append(time.process_time() if device.type == "cpu" else time.perf_counter())

    searched = Searched(
        schedule=schedule,
        method="gradient",
        task=Denoise(levels=(30.0, 50.0, 70.0), quantised_share=0.0),
        kernels=patches,
        architecture=patches,
        validation=patches,
        steps_per_epoch=STEPS,
        latency=None,
        ranks=Ranks(),
    )
    search(
        state,
        searched,
        max_seconds=float("inf"),
        save=lambda: None,
        report=note_time,
    )
    seconds = (moments[2] - moments[0]) / (2 * STEPS)
    parameters = sum(
        parameter.numel() for phase in state.phases if "kernels" in phase.learns for parameter in phase.parameters
    )
    return (
        f"| {space}: {kind}, {mixture} | {precision} | {parameters} | {seconds:.3f} | {_peak_mebibytes(device):.0f} |"
    )


def _peak_mebibytes(device: Any) -> float:
    import resource

    import torch

    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10


if __name__ == "__main__":
    main()

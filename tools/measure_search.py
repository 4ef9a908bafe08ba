"""Measure what a search step costs: time and peak memory with and without cell sharing, each in a fresh process.

Run: python tools/measure_search.py PHOTOS [--device cuda]
"""

import argparse
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

SPACES = {
    "searched widths, shared cells": {},
    "searched widths, a copy for every exit": {"cell_sharing": False},
    "one width": {"width_search": "fixed"},
}
STEPS = 4


def main() -> None:
    """Print a table, one line for each space and precision."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--only", nargs=2, metavar=("SPACE", "PRECISION"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.only:
        print(measured(given.photos, given.device, *given.only))
        return
    print(f"{'space':<42} {'precision':<9} {'parameters':>10} {'s per step':>10} {'peak MiB':>9}")
    for space in SPACES:
        for precision in ("fp32", "bf16"):
            command = [sys.executable, __file__, given.photos, "--device", given.device, "--only", space, precision]
            print(subprocess.run(command, check=True, text=True, stdout=subprocess.PIPE).stdout, end="", flush=True)


def measured(photos: Path, device_name: str, space: str, precision: Any) -> str:
    """One line: the mean of a step of the kernels and one of the architecture, and the memory after them."""
    import torch
    from hinas.search.architecture_search.search_loop import Searched, search
    from hinas.search.architecture_search.search_state import SearchState, new_search
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
    fixed = {
        "stem": {"resolution": "half", "channels": 32},
        "end": {"channels": 64, "early_channels": 32},
        "conditioning": {},
    }
    searcher = space_named("hinas").searcher(
        space_settings("hinas", fixed | SPACES[space]), TaskDescription(channels=1)
    )
    patches = PatchSource(load_images(photos, channels=1, smallest_side=64).images, device=device)
    # The first epoch warms up, the last one is judged; the two between hold nothing but steps.
    schedule = SearchSchedule(epochs=4, warm_up_epochs=0, validate_from_epoch=4)
    state = new_search(searcher, schedule, seed=0, device=device, arithmetic=precision)
    moments: list[float] = []

    def note_time(_: SearchState) -> None:
        if device.type == "cuda":
            torch.cuda.synchronize()
        moments.append(time.perf_counter())

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
        parameter.numel() for phase in state.phases if phase.name == "kernel" for parameter in phase.parameters
    )
    return f"{space:<42} {precision:<9} {parameters:>10,} {seconds:>10.2f} {_peak_mebibytes(device):>9,.0f}"


def _peak_mebibytes(device: Any) -> float:
    import resource

    import torch

    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10


if __name__ == "__main__":
    main()

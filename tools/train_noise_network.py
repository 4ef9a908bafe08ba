"""Train the network that measures a picture's noise, and write the file that the runtime reads.

    python tools/train_noise_network.py photographs/ others/ noise.npz --seed 0 --threads 1

All examples are drawn while it trains: simulated camera shots, white noise, JPEG alone and clean pictures.
"""

import sys
from collections import deque
from collections.abc import Collection
from pathlib import Path
from typing import Annotated

import torch
import typer
from hinas.atomic_files import written_whole
from hinas.command_line import run_command
from hinas.search.camera.clean_crops import CleanImages
from hinas.search.images.image_folder import load_images
from hinas.search.noise.batches import PoolSizes, noise_batches
from hinas.search.noise.network import NoiseNetwork, load_noise_network, save_noise_network
from hinas.search.noise.training import NoiseLoss, train_noise_network
from tqdm import tqdm

app = typer.Typer(add_completion=False, rich_markup_mode=None)
_NUM_SHOWN = 100
"""Steps whose losses are shown as their mean."""


@app.command(epilog="Example: python tools/train_noise_network.py photographs/ noise.npz --iterations 5300 --threads 1")
def train_noise(
    clean_folders: Annotated[
        list[Path], typer.Argument(help="Folders of clean photographs; each is drawn from equally often.")
    ],
    out: Annotated[Path, typer.Argument(help="The .npz file to write; an old one is replaced at the end.")],
    iterations: Annotated[int, typer.Option(min=1, help="Steps of 32 crops; the learning rate falls to 0.")] = 5300,
    seed: Annotated[int, typer.Option(min=0, help="The same seed and photographs give the same examples.")] = 0,
    threads: Annotated[int | None, typer.Option(min=1, help="CPU threads. Default: as torch chooses.")] = None,
    start_from: Annotated[
        Path | None, typer.Option(help="An .npz whose weights the training begins with. Default: random weights.")
    ] = None,
) -> None:
    """Train on the CPU; the file is written whole at the end."""
    if threads is not None:
        torch.set_num_threads(threads)
    torch.manual_seed(seed)
    network = NoiseNetwork() if start_from is None else load_noise_network(start_from)
    sizes = PoolSizes()
    origins = [_clean_images(folder, sizes.pair_side) for folder in clean_folders]
    # Opened before the training: a folder that cannot be written to is told now and not in twenty minutes.
    with written_whole(out) as file, tqdm(total=iterations, unit="step") as bar:
        losses: deque[NoiseLoss] = deque(maxlen=_NUM_SHOWN)

        def report(loss: NoiseLoss) -> None:
            losses.append(loss)
            bar.set_postfix_str(_mean_of(losses), refresh=False)
            bar.update()

        train_noise_network(network, noise_batches(origins, sizes, seed=seed), iterations=iterations, report=report)
        save_noise_network(network, file)
    print(f"{out}: loss of the last {len(losses)} steps: {_mean_of(losses)}")


def _clean_images(folder: Path, smallest_side: int) -> CleanImages:
    loaded = load_images(folder, channels=3, smallest_side=smallest_side)
    for warning in loaded.warnings:
        print(f"warning: {warning}", file=sys.stderr)
    return CleanImages(images=loaded.images)


def _mean_of(losses: Collection[NoiseLoss]) -> str:
    level = torch.stack([loss.level for loss in losses]).mean().item()
    kind = torch.stack([loss.kind for loss in losses]).mean().item()
    return f"level {level:.3f}, kind {kind:.3f}"


if __name__ == "__main__":
    run_command(app)

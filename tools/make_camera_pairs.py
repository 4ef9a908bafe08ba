"""Write a set of simulated camera pairs, such as SIM1800 of HiNAS: 1600 pairs for training and 200 for testing.

    python tools/make_camera_pairs.py photographs/ pairs/ --seed 0

A tenth of the images give the test pairs and none of the training pairs.
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import typer
from hinas.atomic_files import folder_written_whole
from hinas.command_line import run_command
from hinas.errors import UserError
from hinas.search.camera.clean_crops import CleanImages
from hinas.search.camera.pair_files import pair_array, simulated_pairs, write_pair_folder, write_parameters
from hinas.search.images.image_folder import load_images
from tqdm import tqdm

app = typer.Typer(add_completion=False, rich_markup_mode=None)
_TEST_EVERY = 10


@app.command(epilog="Example: python tools/make_camera_pairs.py photographs/ pairs/ --train 1600 --test 200 --size 512")
def make_camera_pairs(
    clean_folder: Annotated[Path, typer.Argument(help="A folder of clean photographs.")],
    out: Annotated[Path, typer.Argument(help="The folder to write; it must not exist.")],
    train: Annotated[int, typer.Option(min=1, help="Pairs for training.")] = 1600,
    test: Annotated[int, typer.Option(min=1, help="Pairs for testing.")] = 200,
    size: Annotated[int, typer.Option(min=16, help="Pixels along a side; smaller photographs are left out.")] = 512,
    seed: Annotated[int, typer.Option(min=0, help="The same seed and photographs give the same files.")] = 0,
    stored_as: Annotated[
        Literal["png", "npy"],
        typer.Option("--as", help="png: noisy/ beside clean/; npy: one array (N, size, size, 6), noisy then clean."),
    ] = "png",
) -> None:
    """Simulate photographs of random cameras, each noisy and clean; all of the folder is written or nothing."""
    loaded = load_images(clean_folder, channels=3, smallest_side=size)
    for warning in loaded.warnings:
        print(f"warning: {warning}", file=sys.stderr)
    train_images, test_images = _split(loaded.images, clean_folder)
    with folder_written_whole(out) as folder, tqdm(total=train + test, unit="pair") as bar:
        rows: list[dict[str, object]] = []
        for part, images, number, seed_of_part in (("train", train_images, train, 0), ("test", test_images, test, 1)):
            pairs = simulated_pairs(
                [CleanImages(images=images)], number=number, size=size, seed=2 * seed + seed_of_part
            )
            if stored_as == "png":
                rows += write_pair_folder(folder / part, pairs, bar.update)
            else:
                np.save(folder / f"{part}.npy", pair_array(pairs, number=number, size=size, progress=bar.update))
        if rows:
            write_parameters(folder / "parameters.csv", rows)


def _split(images: Sequence[np.ndarray], source: Path) -> tuple[list[np.ndarray], list[np.ndarray]]:
    if len(images) < 2:
        raise UserError(f"{source}: one usable photograph; expected at least 2, so that testing sees another one")
    step = min(_TEST_EVERY, len(images))
    tests = [image for place, image in enumerate(images) if place % step == step - 1]
    return [image for place, image in enumerate(images) if place % step != step - 1], tests


if __name__ == "__main__":
    run_command(app)

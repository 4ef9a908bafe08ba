"""The transforms of Winograd's convolution, compiled for this processor."""

import ctypes
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from ...errors import UserError

TILE = 4
"""Side in pixels of the tiles of the output."""

LANES = 16
"""Channels are computed in such groups."""

POSITIONS = (TILE + 2) ** 2
"""Values of a tile and channel where convolutions are products."""


@dataclass(frozen=True, kw_only=True)
class Transforms:
    """The four transforms of transforms.cpp, spread over torch's threads.

    Images are (N, C, H, W) float32, channels last, C a multiple of LANES; planes are (POSITIONS, tiles, C) float32.
    """

    library: ctypes.CDLL

    def input(self, images: Tensor) -> Tensor:
        """B^T d B of each tile of an input."""
        planes = images.new_empty(POSITIONS, num_tiles(images.shape), images.shape[1])
        self._run(self.library.input, images, planes, images_first=True)
        return planes

    def input_gradient(self, planes: Tensor, shape: torch.Size) -> Tensor:
        """The gradient of `input` for images of a shape."""
        return self._images(self.library.input_gradient, planes, shape)

    def output(self, planes: Tensor, shape: torch.Size) -> Tensor:
        """A^T m A of each tile: the images of a shape."""
        return self._images(self.library.output, planes, shape)

    def output_gradient(self, images: Tensor) -> Tensor:
        """The gradient of `output`."""
        planes = images.new_empty(POSITIONS, num_tiles(images.shape), images.shape[1])
        self._run(self.library.output_gradient, images, planes, images_first=True)
        return planes

    def _images(self, function: Callable[..., None], planes: Tensor, shape: torch.Size) -> Tensor:
        images = torch.empty(shape, dtype=planes.dtype, memory_format=torch.channels_last)
        self._run(function, images, planes, images_first=False)
        return images

    def _run(self, function: Callable[..., None], images: Tensor, planes: Tensor, *, images_first: bool) -> None:
        count, channels, height, width = images.shape
        assert channels % LANES == 0 and planes.is_contiguous()
        assert images.is_contiguous(memory_format=torch.channels_last)
        ends = (images.data_ptr(), planes.data_ptr())
        addresses = map(ctypes.c_void_p, ends if images_first else reversed(ends))
        function(*addresses, *map(ctypes.c_int64, (planes.stride(0), count, height, width, channels)))


def num_tiles(shape: torch.Size) -> int:
    """Tiles of images (N, C, H, W)."""
    return shape[0] * -(-shape[2] // TILE) * -(-shape[3] // TILE)


def compiled_transforms() -> Transforms:
    """Compile transforms.cpp for this processor, in about a second, with the command in CXX, else c++, g++ or clang++.

    UserError where there is no compiler, where it fails, or where what it made cannot be loaded.
    """
    compiler = _compiler()
    source = Path(__file__).with_name("transforms.cpp")
    # For this processor alone, so it is not kept.
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        library = Path(folder) / "transforms.so"
        options = ["-std=c++17", "-O3", "-march=native", "-fopenmp", "-shared", "-fPIC", "-o", str(library)]
        done = subprocess.run([*compiler, *options, str(source)], capture_output=True, text=True, check=False)
        if done.returncode:
            said = (done.stderr.strip() or "it says nothing").splitlines()[0]
            raise UserError(
                f"--convolutions winograd: {compiler[0]} fails ({said}); set CXX to another compiler, or take direct"
            )
        try:
            return Transforms(library=ctypes.CDLL(str(library)))
        except OSError as error:
            raise UserError(
                f"--convolutions winograd: what {compiler[0]} made cannot be loaded ({error}); set TMPDIR to a folder "
                "whose files may be run, or take direct"
            ) from error


def _compiler() -> list[str]:
    asked = os.environ.get("CXX", "").split()
    names = asked[:1] or ["c++", "g++", "clang++"]
    found = [path for path in map(shutil.which, names) if path]
    if not found:
        raise UserError(
            f"--convolutions winograd: no C++ compiler is here ({', '.join(names)}); install one, or take direct"
        )
    return [found[0], *asked[1:]]

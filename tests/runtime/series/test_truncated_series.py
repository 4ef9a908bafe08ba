"""Files of several pictures that end too early: none loses pages without a word."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from hinas.errors import UserError
from hinas.runtime.denoise_request import Request
from hinas.runtime.files.denoise_files import denoise_files
from hinas.runtime.files.reporting import Reporter
from hinas.runtime.pictures.series.page_files import opened_pages
from PIL import Image

Models = dict[str, Path]


def run(source: Path, target: Path, model: Path) -> None:
    denoise_files(
        Request(source=source, target=target, model=str(model), sigma=20.0, threads=1), Reporter(quiet=True, json=False)
    )


def pages_of_libtiff(path: Path, generator: np.random.Generator) -> None:
    """Four pages, each directory behind its pixels."""
    first, *others = (Image.fromarray(generator.integers(0, 255, (40, 48), np.uint8)) for _ in range(4))
    first.save(path, save_all=True, append_images=others, compression="tiff_lzw")


def stack_of_tifffile(path: Path, generator: np.random.Generator) -> None:
    """Three pages, the first directory in front of all pixels and the others behind."""
    tifffile.imwrite(path, generator.integers(0, 255, (3, 40, 48), np.uint8), photometric="minisblack")


@pytest.mark.parametrize("written", [pages_of_libtiff, stack_of_tifffile])
@pytest.mark.parametrize("share", [0.6, 0.95])
def test_a_tiff_that_ends_before_one_of_its_pages_is_refused(
    models: Models, tmp_path: Path, generator: np.random.Generator, written: Any, share: float
) -> None:
    written(tmp_path / "whole.tif", generator)
    run(tmp_path / "whole.tif", tmp_path / "whole-out.tif", models["gray"])
    content = (tmp_path / "whole.tif").read_bytes()
    (tmp_path / "cut.tif").write_bytes(content[: int(share * len(content))])
    with pytest.raises(UserError, match=r"cut\.tif: .*damaged or truncated"):
        run(tmp_path / "cut.tif", tmp_path / "out.tif", models["gray"])
    assert not (tmp_path / "out.tif").exists()


def test_the_page_that_is_missing_is_named(tmp_path: Path, generator: np.random.Generator) -> None:
    pages_of_libtiff(tmp_path / "whole.tif", generator)
    content = (tmp_path / "whole.tif").read_bytes()
    with tifffile.TiffFile(tmp_path / "whole.tif") as file:
        third = file.pages[2].offset
    (tmp_path / "cut.tif").write_bytes(content[:third])
    with (
        pytest.raises(UserError, match="damaged or truncated TIFF: it ends before page 3"),
        opened_pages(tmp_path / "cut.tif"),
    ):
        pass


def test_the_stub_of_a_webp_is_one_failure_among_pictures(
    models: Models, tmp_path: Path, generator: np.random.Generator
) -> None:
    """The others of its folder are denoised all the same."""
    colour = Image.fromarray(generator.integers(0, 255, (40, 48, 3), np.uint8))
    colour.save(tmp_path / "animated.webp", save_all=True, append_images=[colour.rotate(90)])
    content = (tmp_path / "animated.webp").read_bytes()
    (tmp_path / "in").mkdir()
    colour.save(tmp_path / "in" / "whole.png")
    for length in (12, 16, 18, 20, 21):
        (tmp_path / "in" / f"{length}.webp").write_bytes(content[:length])
    with pytest.raises(UserError, match="5 of 6 pictures failed"):
        run(tmp_path / "in", tmp_path / "out", models["color"])
    assert [file.name for file in (tmp_path / "out").iterdir()] == ["whole.png"]


@pytest.mark.parametrize("frames", [1, 2])
@pytest.mark.parametrize("suffix", ["gif", "png"])
def test_of_a_gif_cut_between_frames_a_person_is_told(
    frames: int,
    suffix: str,
    models: Models,
    tmp_path: Path,
    generator: np.random.Generator,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Nothing in such a file says how many frames there were."""
    first, *others = (Image.fromarray(generator.integers(0, 255, (40, 48, 3), np.uint8)) for _ in range(4))
    first.save(tmp_path / "whole.gif", save_all=True, append_images=others, duration=100, comment=b"of ; and !")
    content = (tmp_path / "whole.gif").read_bytes()
    control = re.compile(rb"\x21\xf9\x04")
    starts = [found.start() for found in control.finditer(content)]
    (tmp_path / "cut.gif").write_bytes(content[: starts[frames]])
    (tmp_path / "more.gif").write_bytes(content + b"what another program adds")
    for name, is_cut in (("whole", False), ("more", False), ("cut", True)):
        request = Request(
            source=tmp_path / f"{name}.gif",
            target=tmp_path / f"{name}-out.{suffix}",
            model=str(models["color"]),
            sigma=20.0,
            threads=1,
        )
        denoise_files(request, Reporter(quiet=False, json=False))
        assert ("the GIF has no end mark: it may have been cut" in capsys.readouterr().err) == is_cut
        with Image.open(request.target) as written:
            assert getattr(written, "n_frames", 1) == (frames if is_cut else 4)

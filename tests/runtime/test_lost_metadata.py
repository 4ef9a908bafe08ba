"""What a format does not hold of a picture's metadata is left out with a note, and never written wrong."""

from pathlib import Path

import numpy as np
import pytest
from hinas.runtime.pictures.image_files import check_writable, left_out, read_picture, write_picture
from hinas.runtime.pictures.known_formats import format_for
from hinas.runtime.pictures.picture import Metadata, Picture
from PIL import Image


def with_dpi(*dpi: float) -> Picture:
    return Picture(pixels=np.zeros((4, 6), np.uint8), format="WebP", metadata=Metadata(dpi=(dpi[0], dpi[-1])))


def written(picture: Picture, target: Path) -> tuple[float, float] | None:
    """The density that another program finds."""
    check_writable(picture, format_for(target))
    write_picture(picture, target, format=format_for(target))
    with Image.open(target) as image:
        dpi = image.info.get("dpi")
    return None if dpi is None else (float(dpi[0]), float(dpi[1]))


ABSURD = (2**32 - 1) * 0.0254


@pytest.mark.parametrize(
    ("name", "dpi", "fits"),
    [
        ("a.jpg", 65535, True),
        ("a.jpg", 76200, False),
        ("a.jpg", 0.127, False),
        ("a.tif", 76200, True),
        ("a.tif", ABSURD, False),
        ("a.bmp", 76200, True),
        ("a.bmp", ABSURD, False),
        ("a.png", 76200, True),
        ("a.png", 2.0**40, False),
    ],
)
def test_a_density_that_does_not_fit_is_left_out_with_a_note(tmp_path: Path, name: str, dpi: float, fits: bool) -> None:
    picture, format = with_dpi(dpi), format_for(Path(name))
    found = written(picture, tmp_path / name)
    if fits:
        assert found == pytest.approx((dpi, dpi), rel=1e-4)
        assert left_out(picture, format) == ()
    else:
        assert found is None
        (note,) = left_out(picture, format)
        assert note.startswith(f"{format} cannot hold all that the picture has; left out: {round(dpi, 2):.12g} DPI")


def test_both_sides_of_a_density_are_named_where_they_differ() -> None:
    assert left_out(with_dpi(70000, 300), "JPEG")[0].endswith("left out: 70000x300 DPI")


def test_a_density_of_zero_says_nothing(tmp_path: Path) -> None:
    assert left_out(with_dpi(0), "JPEG") == ()
    assert written(with_dpi(0), tmp_path / "a.png") is None
    assert read_picture(tmp_path / "a.png").metadata.dpi is None

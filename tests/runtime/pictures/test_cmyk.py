"""CMYK pictures: to RGB and back with their profile, the inks' sign right, and what is lost is said."""

import io
import struct
from functools import cache
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest
import tifffile
from hinas.errors import UserError
from hinas.runtime.denoise_request import Request
from hinas.runtime.files.denoise_files import denoise_files
from hinas.runtime.files.reporting import Reporter
from hinas.runtime.pictures.image_files import read_picture, write_picture
from hinas.runtime.pictures.picture import Picture
from PIL import Image, ImageCms

NODES = 9
"""Of the tables of the profile, along each side."""


def lab_of(rgb: np.ndarray) -> np.ndarray:
    """Values (N, 3) of 0..1 as Lab (N, 3)."""
    image = Image.fromarray((rgb[np.newaxis] * 255).round().astype(np.uint8))
    srgb, lab = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
    transform = ImageCms.buildTransform(srgb, lab, "RGB", "LAB")
    stored = np.asarray(ImageCms.applyTransform(image, transform))[0]  # type: ignore[arg-type]
    # Pillow gives a and b as signed numbers.
    return np.column_stack([stored[:, 0] / 2.55, stored[:, 1:].view(np.int8).astype(float)])


def rgb_of(lab: np.ndarray) -> np.ndarray:
    colours = lab[:, 1:].round().clip(-128, 127).astype(np.int8).view(np.uint8)
    stored = np.column_stack([(lab[:, 0] * 2.55).round().clip(0, 255).astype(np.uint8), colours])
    image = Image.frombytes("LAB", (len(lab), 1), stored.tobytes())
    lab_profile, srgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
    transform = ImageCms.buildTransform(lab_profile, srgb, "LAB", "RGB")
    return np.asarray(ImageCms.applyTransform(image, transform))[0] / 255  # type: ignore[arg-type]


def table(values: np.ndarray, num_in: int) -> bytes:
    """A table of the kind mft2 with straight curves; `values` (nodes, outputs) of 0..1."""
    identity = np.eye(3, dtype=np.float64).ravel() * 65536
    head = struct.pack(">4sIBBBB", b"mft2", 0, num_in, values.shape[1], NODES, 0) + identity.astype(">i4").tobytes()
    line = struct.pack(">HH", 0, 65535)
    body = (values.clip(0, 1) * 65535).round().astype(">u2").tobytes()
    return head + struct.pack(">HH", 2, 2) + num_in * line + body + values.shape[1] * line


@cache
def press_profile() -> bytes:
    """A profile of a press whose inks are pure: no other library makes one of CMYK."""
    steps = np.linspace(0, 1, NODES)
    inks = np.stack(np.meshgrid(*[steps] * 4, indexing="ij"), axis=-1).reshape(-1, 4)
    to_lab = lab_of((1 - inks[:, :3]) * (1 - inks[:, 3:]))
    lab = np.stack(np.meshgrid(steps * 65535 / 65280 * 100, *[steps * 65535 / 256 - 128] * 2, indexing="ij"), axis=-1)
    rgb = rgb_of(lab.reshape(-1, 3))
    most = rgb.max(axis=1, keepdims=True)
    from_lab = np.concatenate([1 - rgb / np.maximum(most, 1e-6), 1 - most], axis=1)
    encoded = np.stack([to_lab[:, 0] / 100 * 65280, *((to_lab[:, index] + 128) * 256 for index in (1, 2))], axis=1)
    text = b"a press of this test"
    tags = {
        b"desc": struct.pack(">4sII", b"desc", 0, len(text) + 1) + text + bytes(79),
        b"wtpt": struct.pack(">4sIiii", b"XYZ ", 0, 63190, 65536, 54061),
        b"A2B0": table(encoded / 65535, 4),
        b"B2A0": table(from_lab, 3),
    }
    position, listed, content = 128 + 4 + 12 * len(tags), struct.pack(">I", len(tags)), b""
    for name, data in tags.items():
        listed += struct.pack(">4sII", name, position + len(content), len(data))
        content += data + bytes(-len(data) % 4)
    head = struct.pack(">I4sI4s4s4s", position + len(content), b"none", 0x02400000, b"prtr", b"CMYK", b"Lab ")
    head += bytes(12) + b"acsp" + bytes(28) + struct.pack(">iii", 63190, 65536, 54061)
    return head.ljust(128, b"\0") + listed + content


@pytest.fixture
def inks(generator: np.random.Generator) -> np.ndarray:
    """Smooth areas without much black, as photographs are printed."""
    levels = generator.integers(0, 160, (4, 5, 4), np.uint8)
    levels[:, :, 3] //= 4
    return np.kron(levels, np.ones((16, 16, 1), np.uint8))


def jpeg_of(inks: np.ndarray, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image = Image.frombytes("CMYK", inks.shape[1::-1], inks.tobytes())
    image.save(buffer, "JPEG", quality=97, subsampling=0, **options)
    return buffer.getvalue()


def apart(first: Any, second: Any) -> float:
    return float(np.abs(np.asarray(first).astype(int) - np.asarray(second)).mean())


def colours_by_pillow(image: Image.Image, profile: bytes) -> np.ndarray:
    """In sRGB."""
    press, srgb = ImageCms.ImageCmsProfile(io.BytesIO(profile)), ImageCms.createProfile("sRGB")
    intent = ImageCms.Intent.RELATIVE_COLORIMETRIC
    return np.asarray(ImageCms.profileToProfile(image, press, srgb, intent, outputMode="RGB"))


def in_srgb(picture: Picture) -> np.ndarray:
    own, srgb = ImageCms.ImageCmsProfile(io.BytesIO(picture.metadata.icc or b"")), ImageCms.createProfile("sRGB")
    return np.asarray(ImageCms.profileToProfile(Image.fromarray(picture.pixels), own, srgb))


@pytest.mark.parametrize("suffix", ["jpg", "tif"])
def test_the_profile_gives_the_colours(tmp_path: Path, inks: np.ndarray, suffix: str) -> None:
    path = tmp_path / f"in.{suffix}"
    if suffix == "jpg":
        path.write_bytes(jpeg_of(inks, icc_profile=press_profile(), dpi=(300, 300)))
    else:
        tifffile.imwrite(path, inks, photometric="separated", iccprofile=press_profile(), compression="lzw")
    picture = read_picture(path)
    assert picture.is_colour and picture.bits == 8
    assert apart(in_srgb(picture), colours_by_pillow(Image.open(path), press_profile())) < 1.5
    assert "how black is mixed from the four inks may change" in picture.notes[0]

    write_picture(picture, tmp_path / f"out.{suffix}", format="JPEG" if suffix == "jpg" else "TIFF")
    written = Image.open(tmp_path / f"out.{suffix}")
    assert written.mode == "CMYK"
    assert written.info["icc_profile"] == press_profile()
    again = read_picture(tmp_path / f"out.{suffix}")
    assert apart(again.pixels, picture.pixels) < 3
    if suffix == "jpg":
        assert [round(float(dots)) for dots in written.info["dpi"]] == [300, 300]

    write_picture(picture, tmp_path / "out.png", format="PNG")
    as_png = Image.open(tmp_path / "out.png")
    assert as_png.mode == "RGB" and as_png.info["icc_profile"] == picture.metadata.icc


@pytest.mark.parametrize("suffix", ["jpg", "tif"])
def test_without_a_profile_the_plain_formula_goes_both_ways(tmp_path: Path, inks: np.ndarray, suffix: str) -> None:
    # As the plain formula mixes: no grey part in the three inks.
    inks = inks.copy()
    inks[:, :, :3] -= inks[:, :, :3].min(axis=2, keepdims=True)
    path = tmp_path / f"in.{suffix}"
    if suffix == "jpg":
        path.write_bytes(jpeg_of(inks))
    else:
        tifffile.imwrite(path, inks, photometric="separated")
    picture = read_picture(path)
    assert "without a colour profile the plain formula" in picture.notes[0]
    assert picture.metadata.icc is None
    expected = (255 - inks[:, :, :3].astype(float)) * (255 - inks[:, :, 3:]) / 255
    assert apart(picture.pixels, expected) < 1.5
    write_picture(picture, tmp_path / f"out.{suffix}", format="JPEG" if suffix == "jpg" else "TIFF")
    written = Image.open(tmp_path / f"out.{suffix}")
    assert written.mode == "CMYK"
    assert apart(written, inks) < 4


def test_adobes_inverted_inks_are_marked(tmp_path: Path) -> None:
    """Paper without ink stays white, in a file whose segment Adobe says how to read it."""
    (tmp_path / "in.jpg").write_bytes(jpeg_of(np.zeros((16, 16, 4), np.uint8)))
    picture = read_picture(tmp_path / "in.jpg")
    assert picture.pixels.min() == 255
    write_picture(picture, tmp_path / "out.jpg", format="JPEG")
    written = Image.open(tmp_path / "out.jpg")
    assert written.info["adobe_transform"] == 0
    assert np.asarray(written).max() == 0


def test_inks_coded_as_brightness_and_colours(tmp_path: Path, inks: np.ndarray) -> None:
    """YCCK, as Photoshop writes CMYK."""
    data = imagecodecs.jpeg8_encode(255 - inks, 97, colorspace="CMYK", outcolorspace="YCCK", subsampling="444")
    (tmp_path / "in.jpg").write_bytes(bytes(data))
    assert Image.open(tmp_path / "in.jpg").info["adobe_transform"] == 2
    expected = (255 - inks[:, :, :3].astype(float)) * (255 - inks[:, :, 3:]) / 255
    assert apart(read_picture(tmp_path / "in.jpg").pixels, expected) < 3


def test_a_cmyk_tiff_of_16_bits_with_alpha(tmp_path: Path, generator: np.random.Generator) -> None:
    values = generator.integers(0, 40000, (8, 9, 5), np.uint16)
    values[:, :, 3] //= 4
    tifffile.imwrite(
        tmp_path / "in.tif",
        values,
        photometric="separated",
        planarconfig="contig",
        extrasamples=["unassalpha"],
        iccprofile=press_profile(),
    )
    picture = read_picture(tmp_path / "in.tif")
    assert picture.bits == 16
    assert picture.alpha is not None and np.array_equal(picture.alpha, values[:, :, 4])
    write_picture(picture, tmp_path / "out.tif", format="TIFF")
    with tifffile.TiffFile(tmp_path / "out.tif") as file:
        page: Any = file.pages[0]
        assert (int(page.photometric), page.samplesperpixel, page.bitspersample) == (5, 5, 16)
        assert np.array_equal(page.asarray()[:, :, 4], values[:, :, 4])
    assert apart(read_picture(tmp_path / "out.tif").pixels, picture.pixels) < 600


def test_a_damaged_profile_is_none(tmp_path: Path, inks: np.ndarray) -> None:
    (tmp_path / "in.jpg").write_bytes(jpeg_of(inks, icc_profile=press_profile()[:300]))
    assert "plain formula" in read_picture(tmp_path / "in.jpg").notes[0]


def test_other_inks_are_refused(tmp_path: Path, inks: np.ndarray) -> None:
    tifffile.imwrite(tmp_path / "in.tif", inks, photometric="separated", extratags=[(332, "H", 1, 2, True)])
    with pytest.raises(UserError, match=r"in\.tif: a TIFF of other inks than CMYK"):
        read_picture(tmp_path / "in.tif")


def test_a_cmyk_jpeg_is_denoised(models: dict[str, Path], tmp_path: Path, inks: np.ndarray) -> None:
    (tmp_path / "in.jpg").write_bytes(jpeg_of(inks, icc_profile=press_profile()))
    request = Request(
        source=tmp_path / "in.jpg", target=tmp_path / "out.jpg", model=str(models["color"]), sigma=20.0, threads=1
    )
    denoise_files(request, Reporter(quiet=True, json=False))
    assert Image.open(tmp_path / "out.jpg").mode == "CMYK"

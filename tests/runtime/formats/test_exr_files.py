"""OpenEXR: colours are denoised; alpha, other channels, attributes and kinds of numbers stay."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from hinas.errors import UserError
from hinas.runtime.denoise_request import Request
from hinas.runtime.files.denoise_files import denoise_files
from hinas.runtime.files.reporting import Reporter
from hinas.runtime.pictures.image_files import check_writable, decoded_bytes, read_picture, write_picture
from PIL import Image

OpenEXR: Any = pytest.importorskip("OpenEXR")

SHAPE = (40, 31)
WINDOW = np.array([5, 7], np.int32), np.array([5 + SHAPE[1] - 1, 7 + SHAPE[0] - 1], np.int32)
Channels = dict[str, np.ndarray]


def noise(generator: np.random.Generator, names: str, dtype: Any = np.float16) -> Channels:
    return {name: generator.random(SHAPE, np.float32).astype(dtype) for name in names}


def write(path: Path, channels: Any, **header: Any) -> Path:
    usual = {"type": OpenEXR.scanlineimage, "compression": OpenEXR.PIZ_COMPRESSION}
    OpenEXR.File({**usual, **header}, dict(channels)).write(str(path))
    return path


def read(path: Path) -> tuple[dict[str, Any], Channels]:
    file = OpenEXR.File(str(path), separate_channels=True)
    return dict(file.header()), {name: channel.pixels for name, channel in file.channels().items()}


def denoise(source: Path, target: Path, model: Path) -> None:
    request = Request(source=source, target=target, model=str(model), sigma=20.0, threads=1)
    denoise_files(request, Reporter(quiet=True, json=False))


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
@pytest.mark.parametrize("names", ["Y", "YA", "RGB", "RGBA"])
def test_a_file_read_and_written_is_the_same_file(
    tmp_path: Path, generator: np.random.Generator, names: str, dtype: Any
) -> None:
    channels = noise(generator, names, dtype) | {"depth": 100 * noise(generator, "Z", np.float32)["Z"]}
    channels["id"] = np.arange(np.prod(SHAPE), dtype=np.uint32).reshape(SHAPE)
    screen = np.zeros(2, np.int32), np.array([99, 99], np.int32)
    source = write(
        tmp_path / "in.exr", channels, dataWindow=WINDOW, displayWindow=screen, comments="shot 4", exposure=1.5
    )
    picture = read_picture(source)
    assert (picture.bits, picture.num_channels) == (32, 3 if "R" in names else 1)
    assert (picture.alpha is not None) == ("A" in names)
    write_picture(picture, tmp_path / "out.exr", format="OpenEXR")
    assert (tmp_path / "out.exr").read_bytes() == source.read_bytes()


def test_tiles_stay_and_a_compression_with_loss_does_not(tmp_path: Path, generator: np.random.Generator) -> None:
    kind = {"type": OpenEXR.tiledimage, "tiles": OpenEXR.TileDescription(), "compression": OpenEXR.DWAA_COMPRESSION}
    source = write(tmp_path / "in.exr", noise(generator, "RGB"), **kind)
    write_picture(read_picture(source), tmp_path / "out.exr", format="OpenEXR")
    header, channels = read(tmp_path / "out.exr")
    assert (header["type"], header["compression"]) == (OpenEXR.tiledimage, OpenEXR.ZIP_COMPRESSION)
    assert all(np.array_equal(channels[name], values) for name, values in read(source)[1].items())


def test_colours_are_denoised_as_in_a_tiff_and_nothing_else_is_touched(
    models: dict[str, Path], tmp_path: Path, generator: np.random.Generator
) -> None:
    channels = noise(generator, "RGBA", np.float32) | noise(generator, "Z", np.float32)
    channels["R"][3, 4] = 7.5
    source = write(tmp_path / "in.exr", channels)
    colours = np.stack([channels[name] for name in "RGB"], axis=2)
    tifffile.imwrite(tmp_path / "in.tif", colours, photometric="rgb")
    for suffix in (".exr", ".tif"):
        denoise(tmp_path / f"in{suffix}", tmp_path / f"out{suffix}", models["color1"])
    _, written = read(tmp_path / "out.exr")
    assert np.array_equal(np.stack([written[name] for name in "RGB"], axis=2), tifffile.imread(tmp_path / "out.tif"))
    assert not np.array_equal(written["G"], channels["G"])
    assert np.array_equal(written["A"], channels["A"]) and np.array_equal(written["Z"], channels["Z"])
    assert decoded_bytes(source) == np.prod(SHAPE) * 5 * 4


def test_floating_point_goes_from_and_to_other_formats(tmp_path: Path, generator: np.random.Generator) -> None:
    array = generator.random((*SHAPE, 3), np.float32)
    np.save(tmp_path / "in.npy", array)
    write_picture(read_picture(tmp_path / "in.npy"), tmp_path / "a.exr", format="OpenEXR")
    write_picture(read_picture(tmp_path / "a.exr"), tmp_path / "b.tif", format="TIFF")
    assert np.array_equal(tifffile.imread(tmp_path / "b.tif"), array)


def test_what_cannot_be_kept_is_refused(tmp_path: Path, generator: np.random.Generator) -> None:
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(tmp_path / "whole.png")
    with pytest.raises(UserError, match="8 bits per channel and OpenEXR holds floating point"):
        write_picture(read_picture(tmp_path / "whole.png"), tmp_path / "a.exr", format="OpenEXR")
    write(tmp_path / "alpha.exr", noise(generator, "RGBA"))
    with pytest.raises(UserError, match="transparency cannot go from one to the other"):
        write_picture(read_picture(tmp_path / "alpha.exr"), tmp_path / "a.tif", format="TIFF")
    write(tmp_path / "plain.exr", noise(generator, "RGB"))
    with pytest.raises(UserError, match="floating point and PNG holds whole numbers"):
        write_picture(read_picture(tmp_path / "plain.exr"), tmp_path / "a.png", format="PNG")
    with pytest.raises(UserError, match="does not enlarge to OpenEXR; write TIFF or NumPy"):
        check_writable(read_picture(tmp_path / "plain.exr"), "OpenEXR", scale=2)
    tifffile.imwrite(
        tmp_path / "alpha.tif", generator.random((8, 8, 4), np.float32), photometric="rgb", extrasamples=["unassalpha"]
    )
    with pytest.raises(UserError, match="transparency cannot go from one to the other"):
        check_writable(read_picture(tmp_path / "alpha.tif"), "OpenEXR")
    assert not [path for path in tmp_path.iterdir() if path.stem == "a"]


def test_other_kinds_are_refused_by_name(tmp_path: Path, generator: np.random.Generator) -> None:
    whole = np.zeros(SHAPE, np.uint32)
    part = OpenEXR.Part({"type": OpenEXR.scanlineimage}, noise(generator, "RGB"), "left")
    other = OpenEXR.Part({"type": OpenEXR.scanlineimage}, noise(generator, "RGB"), "right")
    OpenEXR.File([part, other]).write(str(tmp_path / "parts.exr"))
    write(tmp_path / "differences.exr", {"Y": whole, "RY": whole, "BY": whole})
    write(tmp_path / "layers.exr", {f"beauty.{name}": values for name, values in noise(generator, "RGB").items()})
    write(tmp_path / "whole.exr", noise(generator, "RG") | {"B": whole})
    expected = {
        "parts": "OpenEXR of 2 parts",
        "differences": "colour differences",
        "layers": "without the channels R, G and B, or Y; it has beauty.B, beauty.G, beauty.R",
        "whole": "channel B holds whole numbers",
    }
    for name, words in expected.items():
        with pytest.raises(UserError, match=rf"{name}\.exr: .*({words})"):
            read_picture(tmp_path / f"{name}.exr")


def test_damaged_files_end_in_one_error(
    tmp_path: Path, generator: np.random.Generator, capfd: pytest.CaptureFixture[str]
) -> None:
    source = write(tmp_path / "in.exr", noise(generator, "RGB")).read_bytes()
    for length in (5, 60, 300, len(source) // 2, len(source) - 3):
        (tmp_path / "cut.exr").write_bytes(source[:length])
        with pytest.raises(UserError, match=r"cut\.exr: damaged or truncated"):
            read_picture(tmp_path / "cut.exr")
    # Results for programs go there.
    assert capfd.readouterr().out == ""


def test_without_its_package_the_command_that_installs_it_is_named(
    tmp_path: Path, generator: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = write(tmp_path / "in.exr", noise(generator, "RGB"))
    monkeypatch.setitem(sys.modules, "OpenEXR", None)
    with pytest.raises(UserError, match=r"in\.exr: OpenEXR needs the package OpenEXR; .* pip install .*cpu,formats"):
        read_picture(source)

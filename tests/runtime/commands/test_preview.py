"""hinas-denoise --preview: a page that needs nothing else, shows what it says, and is written last or not at all."""

import base64
import io
import json
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from hinas.errors import UserError
from hinas.runtime.denoise_command import app
from hinas.runtime.denoise_request import Request
from hinas.runtime.files import huge_tiff, picture_stages, run_preview
from hinas.runtime.files.denoise_files import denoise_files
from hinas.runtime.files.reporting import Reporter
from hinas.runtime.preview import shown_picture as shown_picture_module
from hinas.runtime.preview.changes import all_windows, most_and_least
from hinas.runtime.preview.picture_pair import held_pair
from hinas.runtime.preview.shown_picture import LONGEST_VIEW, Appearance, shown_picture
from hinas.runtime.tiling.planner import Region, Span
from PIL import Image
from typer.testing import CliRunner

Models = dict[str, Path]
Mistake = Callable[..., str]


class _Page(HTMLParser):
    """Every tag with its attributes, the text, and every picture decoded."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(file.read_text(encoding="utf-8"))
        self.images: list[tuple[str, Image.Image]] = []
        for tag, attributes in self.tags:
            if tag == "img":
                head, _, data = str(attributes["src"]).partition(";base64,")
                assert head in ("data:image/jpeg", "data:image/png")
                image = Image.open(io.BytesIO(base64.b64decode(data)))
                image.load()
                assert (str(image.width), str(image.height)) == (attributes["width"], attributes["height"])
                self.images.append((str(attributes["alt"]), image))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def count(self, tag: str, **attributes: str) -> int:
        return sum(name == tag and attributes.items() <= found.items() for name, found in self.tags)


def noisy(shape: tuple[int, ...]) -> np.ndarray:
    return np.random.default_rng(0).normal(128, 20, shape).clip(0, 255).astype(np.uint8)


def save(path: Path, pixels: np.ndarray, **options: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, **options)
    return path


def run(source: Path, target: Path, model: Path, **options: Any) -> None:
    request = Request(source=source, target=target, model=str(model), threads=1, **options)
    denoise_files(request, Reporter(quiet=True, json=False))


def test_the_page_of_a_picture_needs_nothing_else(models: Models, tmp_path: Path) -> None:
    source = save(tmp_path / "noisy.png", noisy((150, 170, 3)))
    run(source, tmp_path / "clean.png", models["color"], sigma=20.0, preview=tmp_path / "page.html")
    page = _Page(tmp_path / "page.html")
    for words in ("noisy.png", "sigma 20.0, given", "color.onnx", "170x150 colour 8-bit", str(tmp_path / "clean.png")):
        assert words in page.text
    assert page.count("input", type="range") == page.count("script") == page.count("style") == 1
    assert not any("href" in attributes or name == "link" for name, attributes in page.tags)
    (before, shown_before), (after, shown_after), *crops = page.images
    assert (before, after) == ("noisy.png before", "noisy.png after")
    parts = [alt.removeprefix("part of noisy.png with the ") for alt, _ in crops]
    assert set(parts) == {f"{kind} change, {side}" for kind in ("most", "least") for side in ("before", "after")}
    files = [np.asarray(Image.open(file), np.float64) for file in (source, tmp_path / "clean.png")]
    own, other = (
        [np.abs(np.asarray(image) - file).mean() for image, file in zip(images, files, strict=True)]
        for images in ((shown_before, shown_after), (shown_after, shown_before))
    )
    assert max(own) < 0.5 * min(other), "each side shows its own file"


def test_a_measured_level_and_notes_are_told(models: Models, tmp_path: Path) -> None:
    source = save(tmp_path / "noisy.png", noisy((60, 70)))
    run(source, tmp_path / "clean.png", models["narrow"], preview=tmp_path / "page.html")
    page = _Page(tmp_path / "page.html")
    assert "sigma 10.0, measured on the picture" in page.text
    assert "but the model was trained for 5 to 10; using 10" in page.text
    assert f"{source}: " not in page.text, "the section has the picture's name already"


def test_crops_are_where_most_and_least_changed() -> None:
    before = np.full((800, 900, 3), 100, np.uint8)
    after = before + np.uint8(10)
    after[64:320, 128:384] = 180
    after[512:768, 544:800] = 101
    shown = shown_picture(held_pair(before, after), Appearance())
    most, *_, least, _ = shown.crops
    assert (most.extreme.kind, most.extreme.change) == ("most", 80)
    assert most.extreme.region == Region(Span(64, 320), Span(128, 384))
    assert (least.extreme.kind, least.extreme.change) == ("least", 1)
    assert least.extreme.region == Region(Span(512, 768), Span(544, 800))
    for crop, grey_level in ((most, 180), (least, 101)):
        for image, expected in ((crop.before, 100), (crop.after, grey_level)):
            pixels = np.asarray(Image.open(io.BytesIO(image.content)))
            assert pixels.shape == (256, 256, 3)
            assert (pixels == expected).all(), "nothing is lost"


@pytest.mark.parametrize(
    ("shape", "scale"), [((301, 337, 3), 1), ((70, 500), 1), ((150, 161), 2), ((3, 200, 3), 3), ((1, 1), 1)]
)
def test_the_change_of_every_window_is_that_of_its_pixels(shape: tuple[int, ...], scale: int) -> None:
    generator = np.random.default_rng(0)
    before = generator.integers(0, 65536, shape, np.uint16)
    after = generator.integers(0, 65536, (shape[0] * scale, shape[1] * scale, *shape[2:]), np.uint16)
    pair = held_pair(before, after)
    windows = all_windows(pair)
    assert windows.changes.shape == (len(windows.rows), len(windows.columns))
    for row, rows in enumerate(windows.rows):
        for column, columns in enumerate(windows.columns):
            expected = pair.change(Region(rows, columns)).mean()
            assert windows.changes[row, column] == pytest.approx(expected)
    found = most_and_least(windows, num_of_each=2)
    assert found[0].change == windows.changes.max()
    covered = np.zeros(shape[:2], int)
    for extreme in found:
        covered[extreme.region.slices] += 1
    assert covered.max() == 1, "no crop lies over another"


def test_an_enlarged_part_is_that_of_the_whole_picture_enlarged() -> None:
    before = noisy((40, 50, 3))
    pair = held_pair(before, np.zeros((120, 150, 3), np.uint8))
    whole = np.asarray(Image.fromarray(before).resize((150, 120), Image.Resampling.BICUBIC))
    region = Region(Span(7, 23), Span(31, 50))
    assert np.array_equal(pair.before(region), whole[region.scaled(3).slices])


@pytest.mark.parametrize("shape", [(3000, 1300, 3), (70, 4001), (1, 5000)])
def test_large_pictures_are_reduced_without_a_shift(shape: tuple[int, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor a seam between the strips that are reduced one by one."""
    monkeypatch.setattr(shown_picture_module, "_STRIP_PIXELS", 10_000)
    ramp = np.linspace(0, 250, shape[1])[None, :] * np.ones((shape[0], 1))
    pixels = np.repeat(ramp[:, :, None], 3, axis=2) if len(shape) == 3 else ramp
    shown = shown_picture(held_pair(pixels.astype(np.uint8), pixels.astype(np.uint8)), Appearance())
    assert shown.view is not None
    view = shown.view.before
    assert max(view.width, view.height) == LONGEST_VIEW
    seen = np.asarray(Image.open(io.BytesIO(view.content)).convert("L"), np.float64).mean(axis=0)
    assert np.abs(seen - np.linspace(0, 250, view.width)).max() < 3


def test_a_camera_held_upright_gives_an_upright_page(models: Models, tmp_path: Path) -> None:
    pixels = np.zeros((100, 160, 3), np.uint8)
    pixels[:, :80] = 200  # left as stored, on top when the camera was turned
    exif = Image.Exif()
    exif[274] = 6
    source = save(tmp_path / "noisy.jpg", pixels, exif=exif)
    run(source, tmp_path / "clean.png", models["color"], sigma=0.0, preview=tmp_path / "page.html")
    _, image = _Page(tmp_path / "page.html").images[0]
    assert image.size == (100, 160)
    assert np.asarray(image)[:70].min() > 190 and np.asarray(image)[90:].max() < 10


def test_a_colour_profile_stays_with_the_pictures() -> None:
    pair = held_pair(noisy((80, 80, 3)), noisy((80, 80, 3)))
    for profile, kept in ((b"a small profile", b"a small profile"), (bytes(10**6), None)):
        shown = shown_picture(pair, Appearance(icc=profile))
        assert shown.view is not None
        for encoded in (shown.view.before, shown.view.after, shown.crops[0].before, shown.crops[0].after):
            assert Image.open(io.BytesIO(encoded.content)).info.get("icc_profile") == kept


def test_a_model_that_enlarges_is_compared_with_bicubic(tiny: Any, tmp_path: Path) -> None:
    model = tiny(tmp_path / "larger.onnx", channels=3, scale=2, conditioned=False, sigma_range=None)
    source = save(tmp_path / "small.png", noisy((60, 70, 3)))
    run(source, tmp_path / "large.png", model, preview=tmp_path / "page.html")
    page = _Page(tmp_path / "page.html")
    assert "70x60 to 140x120 colour 8-bit" in page.text and "enlarged bicubically" in page.text
    assert [image.size for _, image in page.images[:2]] == [(140, 120)] * 2


def huge_page(models: Models, tmp_path: Path, target: str, monkeypatch: pytest.MonkeyPatch) -> _Page:
    monkeypatch.setattr(huge_tiff, "_COPIES_OF_RESULT", 2**40)
    pixels = noisy((600, 700, 3))
    tifffile.imwrite(tmp_path / "huge.tif", pixels, photometric="rgb", tile=(64, 64), compression="zlib")
    options = {"sigma": 20.0, "overwrite": True, "preview": tmp_path / "page.html"}
    run(tmp_path / "huge.tif", tmp_path / target, models["color1"], **options)
    return _Page(tmp_path / "page.html")


def test_of_a_huge_picture_parts_are_shown(models: Models, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = huge_page(models, tmp_path, "clean.tif", monkeypatch)
    assert "too large to be shown whole" in page.text
    assert page.count("input", type="range") == 0
    assert {image.size for _, image in page.images} == {(256, 256)}
    assert len(page.images) >= 4


def test_a_huge_picture_that_its_result_replaced_is_not_shown(
    models: Models, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = huge_page(models, tmp_path, "huge.tif", monkeypatch)
    assert "the result replaced the picture" in page.text
    assert page.images == []


HOSTILE = "<img src=x onerror=alert(1)>&\"'.png"


def folder(tmp_path: Path) -> Path:
    source = tmp_path / "in"
    for name in ("a.png", HOSTILE, "sub/c.png"):
        save(source / name, noisy((70, 80, 3)))
    (source / "bad.png").write_bytes(b"no picture")
    return source


def test_a_folder_has_one_page(models: Models, tmp_path: Path) -> None:
    source = folder(tmp_path)
    save(tmp_path / "out" / "a.png", noisy((9, 9)))
    with pytest.raises(UserError, match="1 of 3 pictures failed"):
        run(source, tmp_path / "out", models["color"], skip_existing=True, preview=tmp_path / "page.html")
    page = _Page(tmp_path / "page.html")
    assert "1 picture was skipped" in page.text
    assert "bad.png: not a picture that hinas can read" in page.text
    assert not any(name.startswith("on") for _, attributes in page.tags for name in attributes)
    anchors = {str(attributes["href"]) for _, attributes in page.tags if "href" in attributes}
    assert anchors == {
        f"#{attributes['id']}" for tag, attributes in page.tags if tag == "section" and "id" in attributes
    }
    sliders = [alt for alt, _ in page.images if alt.endswith("before") and "part of" not in alt]
    assert sliders == [f"{HOSTILE} before", "sub/c.png before"]


def test_many_pictures_are_named_and_not_shown(models: Models, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_preview, "MOST_SHOWN", 2)
    source = folder(tmp_path)
    (source / "bad.png").unlink()
    run(source, tmp_path / "out", models["color"], preview=tmp_path / "page.html")
    page = _Page(tmp_path / "page.html")
    assert page.count("input", type="range") == 2
    assert "sub/c.png" in page.text and page.text.count("a page shows 2 pictures at most") == 1


@pytest.mark.parametrize(
    ("page", "words"),
    [
        ("old.html", "old.html: exists already; add --overwrite to replace it, or choose another name"),
        ("old.html --skip-existing", "old.html: exists already; delete it, or choose another name"),
        ("none/page.html", "no such folder none; create it first"),
        ("page.jpg", "page.jpg: is a page; give a name that ends in .html or .htm"),
        ("folder.html", "folder.html: is a folder"),
        ("picture.html --overwrite", "picture.html: is one of the pictures"),
    ],
)
def test_a_page_that_cannot_be_is_refused_before_any_work(
    models: Models, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mistake: Mistake, page: str, words: str
) -> None:
    monkeypatch.chdir(tmp_path)
    save(tmp_path / "picture.html", noisy((20, 20, 3)), format="PNG")
    (tmp_path / "old.html").write_text("old")
    (tmp_path / "folder.html").mkdir()
    before = sorted(tmp_path.iterdir())
    told = mistake(app, "picture.html", "clean.png", "--model", models["color"], "--preview", *page.split())
    assert words in told and told.startswith("error: --preview ") and told.count("\n") == 1
    assert sorted(tmp_path.iterdir()) == before
    assert (tmp_path / "old.html").read_text() == "old"


def test_overwrite_replaces_the_page(models: Models, tmp_path: Path) -> None:
    source = save(tmp_path / "noisy.png", noisy((20, 20, 3)))
    (tmp_path / "page.html").write_text("old")
    run(source, tmp_path / "clean.png", models["color"], overwrite=True, preview=tmp_path / "page.html")
    assert len(_Page(tmp_path / "page.html").images) >= 4


def test_ctrl_c_leaves_no_page(models: Models, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = folder(tmp_path)
    (source / "bad.png").unlink()
    denoise = picture_stages.PictureStages.denoise

    def interrupted(stages: Any, loaded: Any, progress: Any) -> Any:
        if loaded.job.source.name == "c.png":
            raise KeyboardInterrupt
        return denoise(stages, loaded, progress)

    monkeypatch.setattr(picture_stages.PictureStages, "denoise", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run(source, tmp_path / "out", models["color"], preview=tmp_path / "page.html")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in", "out"]


def test_too_little_memory_for_the_page_costs_no_picture(
    models: Models, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*_: Any) -> Any:
        raise MemoryError

    monkeypatch.setattr(run_preview, "shown_picture", failing)
    source = save(tmp_path / "noisy.png", noisy((20, 20, 3)))
    run(source, tmp_path / "clean.png", models["color"], preview=tmp_path / "page.html")
    assert (tmp_path / "clean.png").is_file()
    assert "the memory did not suffice" in _Page(tmp_path / "page.html").text


def test_the_page_is_told_to_persons_and_machines(models: Models, tmp_path: Path) -> None:
    source, page = save(tmp_path / "noisy.png", noisy((20, 20, 3))), str(tmp_path / "page.html")

    def printed(*options: str) -> Any:
        arguments = [str(source), str(tmp_path / "clean.png"), "--model", str(models["color"]), "--preview", page]
        result = CliRunner().invoke(app, [*arguments, *options], catch_exceptions=False)
        assert result.exit_code == 0
        return result

    assert printed().stdout.splitlines()[-1] == f"before and after: {page}"
    lines = [json.loads(line) for line in printed("--overwrite", "--json").stdout.splitlines()]
    assert lines[-1] == {"preview": {"output": page, "pictures": 1}}
    assert printed("--overwrite", "--quiet").output == ""
    Path(page).unlink()
    assert "page.html: not written, for no picture was denoised" in printed("--skip-existing").stderr
    assert not Path(page).exists()


def test_a_page_may_go_to_the_folder_that_the_run_makes(models: Models, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    save(tmp_path / "in" / "a.png", noisy((20, 20, 3)))
    page = tmp_path / "out" / "page.html"
    request = Request(
        source=tmp_path / "in", target=tmp_path / "out", model=str(models["color"]), sigma=20.0, preview=page
    )
    denoise_files(request, Reporter(quiet=True, json=False))
    assert _Page(page).images

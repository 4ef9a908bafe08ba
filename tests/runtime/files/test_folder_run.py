"""Folder runs: what exists is skipped, one bad picture stops nothing, Ctrl-C leaves whole files."""

import json
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hinas.errors import UserError
from hinas.runtime import Denoiser
from hinas.runtime.denoise_request import Request
from hinas.runtime.files import picture_stages
from hinas.runtime.files.denoise_files import denoise_files
from hinas.runtime.files.reporting import Reporter
from hinas.runtime.pictures.image_files import decoded_bytes, read_picture, write_picture
from PIL import Image

Models = dict[str, Path]
Read = pytest.CaptureFixture[str]


def folder(path: Path, num: int) -> Path:
    path.mkdir()
    for index in range(num):
        noise = np.random.default_rng(index).normal(128, 20, (40 + index, 50, 3))
        Image.fromarray(noise.clip(0, 255).astype(np.uint8)).save(path / f"{index}.png")
    return path


def run(source: Path, target: Path, model: Path, **options: Any) -> None:
    request = Request(source=source, target=target, model=str(model), threads=1, sigma=20.0, **options)
    denoise_files(request, Reporter(quiet=False, json=True))


def lines(captured: Read) -> list[dict[str, Any]]:
    return [json.loads(line) for line in captured.readouterr().out.splitlines()]


def test_a_run_that_was_stopped_goes_on(models: Models, tmp_path: Path, capsys: Read) -> None:
    source, target = folder(tmp_path / "in", 4), tmp_path / "out"
    target.mkdir()
    (target / "1.png").write_bytes(b"made by an earlier run")
    run(source, target, models["color"], skip_existing=True)
    *pictures, last = lines(capsys)
    assert sorted(Path(values["input"]).name for values in pictures) == ["0.png", "1.png", "2.png", "3.png"]
    assert [Path(values["input"]).name for values in pictures if values.get("skipped")] == ["1.png"]
    summary = last["summary"]
    assert (summary["written"], summary["skipped"], summary["failed"]) == (3, 1, 0)
    assert 0 < summary["busy_share"] <= 1
    assert 0 < summary["busy_seconds"] <= summary["span_seconds"]
    assert (target / "1.png").read_bytes() == b"made by an earlier run"
    for name in ("0.png", "2.png", "3.png"):
        assert read_picture(target / name).size_text == read_picture(source / name).size_text
    run(source, target, models["color"], skip_existing=True)
    assert lines(capsys)[-1]["summary"]["skipped"] == 4


def test_a_single_picture_that_exists_is_skipped(models: Models, tmp_path: Path, capsys: Read) -> None:
    source = folder(tmp_path / "in", 1) / "0.png"
    (tmp_path / "out.png").write_bytes(b"made by an earlier run")
    run(source, tmp_path / "out.png", models["color"], skip_existing=True)
    assert lines(capsys) == [{"input": str(source), "output": str(tmp_path / "out.png"), "skipped": True}]
    assert (tmp_path / "out.png").read_bytes() == b"made by an earlier run"


def test_overwrite_and_skip_existing_exclude_each_other(models: Models, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"--overwrite replaces .* --skip-existing leaves"):
        run(tmp_path, tmp_path / "out", models["color"], skip_existing=True, overwrite=True)


def test_a_folder_gives_what_single_files_give(models: Models, tmp_path: Path) -> None:
    source, target = folder(tmp_path / "in", 3), tmp_path / "out"
    run(source, target, models["color"])
    for index in range(3):
        run(source / f"{index}.png", tmp_path / f"{index}.png", models["color"])
        assert (tmp_path / f"{index}.png").read_bytes() == (target / f"{index}.png").read_bytes()


def test_failures_in_every_stage_stop_nothing(
    models: Models, tmp_path: Path, capsys: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, target = folder(tmp_path / "in", 5), tmp_path / "out"
    (source / "0.png").write_bytes(b"no picture")
    writing = write_picture
    denoise = picture_stages.PictureStages.denoise

    def failing_denoise(stages: Any, loaded: Any, progress: Any) -> Any:
        if loaded.job.source.name == "1.png":
            raise UserError("no answer")
        return denoise(stages, loaded, progress)

    def failing_write(picture: Any, path: Path, **options: Any) -> None:
        if picture.pixels.shape[0] == 42:
            raise MemoryError
        if picture.pixels.shape[0] == 43:
            path.write_bytes(b"half of a pic")
            raise OSError(28, "No space left on device")
        writing(picture, path, **options)

    monkeypatch.setattr(picture_stages.PictureStages, "denoise", failing_denoise)
    monkeypatch.setattr("hinas.runtime.files.picture_stages.write_picture", failing_write)
    with pytest.raises(UserError, match="4 of 5 pictures failed, the others are written"):
        run(source, target, models["color"])
    errors = [values.get("error", "") for values in lines(capsys)[:-1]]
    words = ["not a picture", "no answer", "not enough memory", "No space left", ""]
    assert all(word in error for word, error in zip(words, errors, strict=True))
    assert [file.name for file in target.iterdir()] == ["4.png"]


def test_pictures_that_fail_leave_no_empty_folder(models: Models, tmp_path: Path) -> None:
    source, target = folder(tmp_path / "in", 1), tmp_path / "out"
    for name in ("bad/worse/a.png", "good/a.png", "old/a.png"):
        (source / name).parent.mkdir(parents=True)
        (source / name).write_bytes((source / "0.png").read_bytes() if name == "good/a.png" else b"no picture")
    (target / "old").mkdir(parents=True)
    with pytest.raises(UserError, match="2 of 4 pictures failed"):
        run(source, target, models["color"])
    # A folder that was there before stays.
    assert sorted(path.relative_to(target).as_posix() for path in target.rglob("*")) == [
        "0.png",
        "good",
        "good/a.png",
        "old",
    ]


def test_ctrl_c_during_the_third_picture_leaves_two_whole_files(
    models: Models, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, target = folder(tmp_path / "in", 8), tmp_path / "out"
    denoise = picture_stages.PictureStages.denoise
    writing = write_picture
    is_interrupted = threading.Event()

    def interrupted(stages: Any, loaded: Any, progress: Any) -> Any:
        if loaded.job.source.name == "2.png":
            is_interrupted.set()
            raise KeyboardInterrupt
        return denoise(stages, loaded, progress)

    def slow_write(picture: Any, path: Path, **options: Any) -> None:
        if picture.pixels.shape[0] == 41:  # the second is half written when Ctrl-C comes
            path.write_bytes(b"half of a pic")
            assert is_interrupted.wait(30)
        writing(picture, path, **options)

    monkeypatch.setattr(picture_stages.PictureStages, "denoise", interrupted)
    monkeypatch.setattr("hinas.runtime.files.picture_stages.write_picture", slow_write)
    with pytest.raises(KeyboardInterrupt):
        run(source, target, models["color"])
    assert sorted(file.name for file in target.iterdir()) == ["0.png", "1.png"]
    for index in range(2):
        assert read_picture(target / f"{index}.png").pixels.shape == (40 + index, 50, 3)


def test_notes_of_the_model_reach_the_person(
    models: Models, tmp_path: Path, capsys: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = folder(tmp_path / "in", 2)
    load = Denoiser.load

    def warning_load(*arguments: Any, **options: Any) -> Any:
        denoiser = load(*arguments, **options)

        def call(pixels: Any, *others: Any, **more: Any) -> Any:
            more["listener"](f"{len(pixels)} rows")
            return denoiser(pixels, *others, **more)

        for name in ("manifest", "noise_level_from", "description_for"):
            setattr(call, name, getattr(denoiser, name))
        return call

    monkeypatch.setattr(Denoiser, "load", warning_load)
    run(source, tmp_path / "out", models["color"])
    assert [values["notes"] for values in lines(capsys)[:-1]] == [
        [f"{source / '0.png'}: 40 rows"],
        [f"{source / '1.png'}: 41 rows"],
    ]


def test_sizes_by_the_header_alone(tmp_path: Path) -> None:
    image = Image.fromarray(np.zeros((30, 20, 3), np.uint8))
    for suffix in ("png", "jpg", "tif", "webp"):
        image.save(tmp_path / f"a.{suffix}")
        assert decoded_bytes(tmp_path / f"a.{suffix}") == 30 * 20 * 3
        whole = (tmp_path / f"a.{suffix}").read_bytes()
        (tmp_path / f"b.{suffix}").write_bytes(whole[:12])
        assert decoded_bytes(tmp_path / f"b.{suffix}") == 0
    Image.fromarray(np.zeros((30, 20), np.uint16)).save(tmp_path / "deep.png")
    assert decoded_bytes(tmp_path / "deep.png") == 30 * 20 * 2
    assert decoded_bytes(tmp_path / "none.png") == 0


def test_the_bar_counts_pictures_and_names_the_tile(
    models: Models, tmp_path: Path, capsys: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    run(folder(tmp_path / "in", 2), tmp_path / "out", models["color"])
    captured = capsys.readouterr()
    assert "2/2" in captured.err
    assert "1.png, tile 1 of 1" in captured.err
    assert [("input" in json.loads(line)) for line in captured.out.splitlines()] == [True, True, False]


@pytest.mark.parametrize("target", [".", "..", "in/.."])
def test_results_may_go_to_a_folder_that_holds_the_input(
    models: Models, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, target: str
) -> None:
    (tmp_path / "up").mkdir()
    folder(tmp_path / "up" / "in", 2)
    monkeypatch.chdir(tmp_path / "up")
    run(Path("in"), Path(target), models["color"])
    assert sorted(file.name for file in Path(target).glob("*.png")) == ["0.png", "1.png"]


def test_hidden_folders_are_left_out(models: Models, tmp_path: Path) -> None:
    source = folder(tmp_path / "in", 1)
    folder(source / ".thumbnails", 1)
    run(source, tmp_path / "out", models["color"])
    assert [file.name for file in (tmp_path / "out").iterdir()] == ["0.png"]


def test_a_single_file_that_fails_is_an_object_for_a_machine_too(models: Models, tmp_path: Path, capsys: Read) -> None:
    for name in ("none.png", "text.png"):
        (tmp_path / "text.png").write_text("no picture")
        with pytest.raises(UserError) as error:
            run(tmp_path / name, tmp_path / "out.png", models["color"])
        assert lines(capsys) == [{"input": str(tmp_path / name), "error": str(error.value)}]

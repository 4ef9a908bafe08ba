"""Runs on many machines, without any: folders anywhere, what is to be done, one worker's rows, the table, mistakes."""

import csv
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pytest
from hinas.errors import UserError
from hinas.runtime.cluster.folders import Folder, LocalFolder
from hinas.runtime.cluster.picture_worker import PictureWorker, WorkerTask
from hinas.runtime.cluster.ray_workers import Cluster, Workers
from hinas.runtime.cluster.results_table import TablePlace, table_place, written_table
from hinas.runtime.cluster.row import COLUMNS, Row
from hinas.runtime.cluster.stored_folder import StoredFolder, folder_at
from hinas.runtime.cluster.work_list import listed_work
from hinas.runtime.denoise_command import app
from hinas.runtime.denoise_request import Request
from hinas.runtime.files import picture_stages
from hinas.runtime.files.denoise_files import denoise_files
from hinas.runtime.files.reporting import Reporter
from PIL import Image

Models = dict[str, Path]


@pytest.fixture
def store() -> Any:
    """An empty memory://."""
    files = fsspec.filesystem("memory")
    files.store.clear()
    files.pseudo_dirs[:] = [""]
    return files


def make_pictures(folder: Path) -> list[str]:
    """Three pictures, an animation and a damaged file; their names."""
    (folder / "sub").mkdir(parents=True)
    generator = np.random.default_rng(3)
    for name in ("a.png", "b.tif", "sub/c.png"):
        Image.fromarray(generator.integers(0, 256, (40, 50, 3), np.uint8)).save(folder / name)
    frames = [Image.fromarray(generator.integers(0, 256, (20, 30, 3), np.uint8)) for _ in range(3)]
    frames[0].save(folder / "d.webp", save_all=True, append_images=frames[1:], lossless=True)
    (folder / "bad.png").write_bytes(b"not a picture")
    return ["a.png", "b.tif", "bad.png", "d.webp", "sub/c.png"]


def request_for(models: Models, **options: Any) -> Request:
    plain = Request(source=Path(), target=Path(), model=str(models["color"]), sigma=20.0, threads=1)
    return replace(plain, **options)


def contents(folder: Path) -> dict[Path, bytes]:
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*.*")}


def rows_of(source: Folder, target: Folder, names: list[str], request: Request) -> list[Row]:
    return list(PictureWorker(WorkerTask(request=request, source=source, target=target, num_cores=2)).rows(names))


@pytest.mark.parametrize("where", ["path", "memory"])
def test_a_worker_gives_what_a_folder_run_gives(models: Models, tmp_path: Path, where: str, store: Any) -> None:
    names = make_pictures(tmp_path / "in")
    request = request_for(models)
    source: Folder = folder_at(str(tmp_path / "in"))
    target: Folder = folder_at(str(tmp_path / "out"))
    if where == "memory":
        store.put(str(tmp_path / "in") + "/", "/in/", recursive=True)
        source, target = folder_at("memory://in/"), folder_at("memory://out")
    rows = rows_of(source, target, names, request)
    if where == "memory":
        store.get("/out/", str(tmp_path / "out"), recursive=True)
    alone = Request(source=tmp_path / "in", target=tmp_path / "alone", model=request.model, sigma=20.0, threads=1)
    with pytest.raises(UserError, match=r"1 of 5 pictures failed"):
        denoise_files(alone, Reporter(quiet=True, json=False))
    written = contents(tmp_path / "alone")
    assert len(written) == 4
    assert contents(tmp_path / "out") == written

    assert [row.input for row in rows] == [f"{source.text}/{name}" for name in names]
    assert [row.status for row in rows] == ["written", "written", "failed", "written", "written"]
    assert rows[0].output == f"{target.text}/a.png"
    assert (rows[0].width, rows[0].height, rows[0].sigma, rows[3].pictures) == (50, 40, 20.0, 3)
    assert rows[2].error is not None
    assert rows[2].error.startswith(f"{source.text}/bad.png: not a picture")


def test_a_defect_is_one_pictures_and_the_others_go_on(
    models: Models, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_pictures(tmp_path / "in")
    read = picture_stages.read_picture

    def fail_on_a(path: Path) -> Any:
        if path.name == "a.png":
            raise ZeroDivisionError("of ours")
        return read(path)

    monkeypatch.setattr(picture_stages, "read_picture", fail_on_a)
    folders = folder_at(str(tmp_path / "in")), folder_at(str(tmp_path / "out"))
    first, second = rows_of(*folders, ["a.png", "sub/c.png"], request_for(models))
    assert first.error == "a defect of hinas: ZeroDivisionError('of ours')"
    assert second.status == "written"


def test_a_picture_that_is_gone_fails_by_its_own_name(models: Models, store: Any) -> None:
    (row,) = rows_of(folder_at("memory://in"), folder_at("memory://out"), ["gone.png"], request_for(models))
    assert row.error is not None
    assert row.error.startswith("memory://in/gone.png: could not be read (FileNotFoundError")
    assert store.find("/") == []


def test_elsewhere_than_in_object_stores_a_file_gets_its_name_when_it_is_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = StoredFolder(f"file://{tmp_path / 'out'}")
    (tmp_path / "made").write_bytes(b"new")
    folder.keep("sub/a.png", tmp_path / "made")
    folder.keep("sub/a.png", tmp_path / "made")
    assert folder.names() == {"sub/a.png"}
    assert (tmp_path / "out/sub/a.png").read_bytes() == b"new"

    def stopped(*_: Any, **__: Any) -> None:
        raise OSError("the line is cut")

    monkeypatch.setattr(type(fsspec.filesystem("file")), "mv", stopped)
    with pytest.raises(UserError, match=r"out/sub/b\.png: could not be written \(OSError: the line is cut\)"):
        folder.keep("sub/b.png", tmp_path / "made")
    assert folder.names() == {"sub/a.png"}


def test_names_that_climb_out_of_their_folder_are_not_taken(store: Any) -> None:
    store.pipe_file("/in/a.png", b"")
    store.store["/in/../b.png"] = store.store["/in/a.png"]
    assert folder_at("memory://in").names() == {"a.png"}


def test_what_exists_is_skipped_refused_or_replaced(models: Models, store: Any) -> None:
    for name in ("a.png", "b.png", ".hidden.png", "shot.dng", "out/a.png"):
        store.pipe_file(f"/in/{name}", b"")
    source, target = folder_at("memory://in"), folder_at("memory://in/out")
    found = listed_work(source, target, request_for(models))
    assert (found.to_do, found.notes) == (
        ("b.png",),
        ("skipped, raw files: shot.dng; give one alone to develop it, such as shot.dng out.tif",),
    )
    assert [row.error for row in found.ended] == [
        "memory://in/out/a.png: exists already; add --overwrite to replace it, or --skip-existing to leave it"
    ]
    found = listed_work(source, target, request_for(models, skip_existing=True))
    assert (found.to_do, [row.status for row in found.ended]) == (("b.png",), ["skipped"])
    found = listed_work(source, target, request_for(models, overwrite=True))
    assert (found.to_do, found.ended) == (("a.png", "b.png"), ())
    with pytest.raises(UserError, match=r"memory://none: no pictures or films in this folder"):
        listed_work(folder_at("memory://none"), target, request_for(models))


def test_a_folder_is_a_path_or_an_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert folder_at("in") == folder_at(f"file://{tmp_path}/in") == LocalFolder(tmp_path / "in")
    with pytest.raises(UserError, match=r"none-such://in: cannot be opened .*none-such"):
        folder_at("none-such://in")
    monkeypatch.setitem(sys.modules, "s3fs", None)
    with pytest.raises(UserError, match=r"s3://in: a package is missing here \(.*s3fs.*\); workers need it too"):
        folder_at("s3://in")


def test_names_whose_worker_died_are_given_out_alone_and_then_fail(
    models: Models, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[tuple[int, list[str]]] = []

    def told(self: Cluster, names: list[str], size: int, task: WorkerTask, workers: Workers) -> Iterator[Row]:
        """Every block with the picture 77 is lost."""
        given.append((size, names))
        for start in range(0, len(names), size):
            block = names[start : start + size]
            if "77.png" not in block:
                yield from (Row(input=f"memory://in/{name}", output="", status="written") for name in block)

    monkeypatch.setattr(Cluster, "_told", told)
    names = [f"{number}.png" for number in range(100)]
    task = WorkerTask(
        request=request_for(models), source=folder_at("memory://in"), target=folder_at("memory://out"), num_cores=1
    )
    workers = Workers(num=2, num_cores=1, num_gpus=0)
    rows = list(Cluster(None).rows(names, task, workers))
    assert given == [(3, names), (1, ["75.png", "76.png", "77.png"])]
    assert sorted(row.input for row in rows) == sorted(f"memory://in/{name}" for name in names)
    assert [row.error for row in rows if row.status != "written"] == [
        "memory://in/77.png: its worker died 3 times; too little memory? try it on one machine"
    ]


class _Resources:
    """Stands for Ray where only the size of the cluster is asked."""

    def __init__(self, **there: float) -> None:
        self._there = there

    def cluster_resources(self) -> dict[str, float]:
        return self._there


def test_there_is_one_worker_for_each_device(models: Models) -> None:
    request = request_for(models)
    assert Cluster(_Resources(CPU=6.0)).workers_for(replace(request, threads=4)) == Workers(
        num=1, num_cores=4, num_gpus=0
    )
    mixed = Cluster(_Resources(CPU=64.0, GPU=8.0))
    assert mixed.workers_for(request).text == "8 workers with a GPU each"
    assert mixed.workers_for(replace(request, backend="cpu", threads=None)).text == "64 workers with one core each"
    with pytest.raises(UserError, match="--backend cuda: the Ray cluster has no GPU"):
        Cluster(_Resources(CPU=6.0)).workers_for(replace(request, backend="cuda"))
    with pytest.raises(UserError, match="has 2 cores, but a worker needs 4; change --threads"):
        Cluster(_Resources(CPU=2.0)).workers_for(replace(request, threads=4))


ROWS = (
    Row(input="in/a.png", output="out/a.png", status="written", width=3, height=2, pictures=1, sigma=7.5, notes="ä, b"),
    Row(input="in/b.png", output="out/b.png", status="failed", error='in/b.png: "no"'),
)


def test_a_table_holds_every_row_even_of_a_run_that_was_stopped(tmp_path: Path) -> None:
    place = table_place(f"{tmp_path}/results.csv")
    with pytest.raises(KeyboardInterrupt), written_table(place) as table:
        for row in ROWS:
            table.add(row)
        raise KeyboardInterrupt
    with (tmp_path / "results.csv").open(encoding="utf-8", newline="") as file:
        first, second = csv.DictReader(file)
    assert tuple(first) == COLUMNS
    assert (first["sigma"], first["notes"], first["error"]) == ("7.5", "ä, b", "")
    assert second["error"] == 'in/b.png: "no"'
    assert Row.from_json(ROWS[0].to_json()) == ROWS[0]


def test_a_table_in_parquet_and_in_a_store(tmp_path: Path, store: Any) -> None:
    parquet = pytest.importorskip("pyarrow.parquet", reason="parquet tables need pyarrow: pip install 'ray[data]'")
    with written_table(TablePlace(folder_at("memory://out"), "results.parquet")) as table:
        for row in ROWS:
            table.add(row)
    store.get_file("/out/results.parquet", str(tmp_path / "results.parquet"))
    first, second = parquet.read_table(tmp_path / "results.parquet").to_pylist()
    assert Row(**first) == ROWS[0]
    assert Row(**second) == ROWS[1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["in", "out", "--ray", "auto", "--preview", "p.html"], "--preview p.html: not together with --ray"),
        (["in/a.png", "out.png", "--ray", "auto"], "--ray is for folders; leave it out for a single file"),
        (["none", "out", "--ray", "auto"], "none: no such file or folder"),
        (["memory://in", "out", "--ray", "auto"], "memory://in: lies in the memory of one process"),
        (["in", "out", "--ray", "auto", "--table", "t.xlsx"], "--table t.xlsx: allowed: a name that ends in .csv or"),
        (["in", "out", "--ray", "auto", "--model", "none-such"], "model 'none-such': no such file"),
        (["in", "out", "--ray", "auto", "--overwrite", "--skip-existing"], "--overwrite replaces files"),
        (["in", "out", "--ray", "nonsense"], "--ray nonsense: no Ray cluster answers"),
        (["in", "out", "--ray", "127.0.0.1:1"], "--ray 127.0.0.1:1: no Ray cluster answers"),
        (["in", "out", "--table", "t.csv"], "--table t.csv: is written with --ray alone"),
    ],
)
def test_mistakes_are_told_before_ray_is_asked(
    mistake: Callable[..., str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    make_pictures(tmp_path / "in")
    monkeypatch.setitem(sys.modules, "ray", None)
    printed = mistake(app, *arguments)
    assert message in printed
    assert len(printed.splitlines()) == 1


def test_without_ray_a_line_says_what_to_install(
    mistake: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_pictures(tmp_path / "in")
    monkeypatch.setattr("hinas.command_line.find_spec", lambda name: None if name == "ray" else object())
    printed = mistake(app, tmp_path / "in", tmp_path / "out", "--ray", "auto")
    assert "error: --ray needs ray; install: pip install " in printed
    assert "[cpu,ray]" in printed.splitlines()[-1]


def test_ray_is_not_imported_where_it_is_not_asked_for(tmp_path: Path) -> None:
    script = "import sys, json, hinas.runtime.denoise_command, hinas.runtime.files.denoise_files as _; "
    script += "print(json.dumps([name for name in ('ray', 'fsspec', 'pyarrow') if name in sys.modules]))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert json.loads(done.stdout) == []

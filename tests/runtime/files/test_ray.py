"""On a Ray cluster of two workers: what one machine gives, byte for byte, also where a worker is killed."""

import json
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from hinas.runtime.denoise_command import app
from hinas.runtime.denoise_request import Request
from hinas.runtime.files.denoise_files import denoise_files
from hinas.runtime.files.reporting import Reporter
from PIL import Image

ROOT = Path(__file__).parents[3]
NUM_PICTURES = 12

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        find_spec("ray") is None or find_spec("pyarrow") is None,
        reason="Ray is not installed, so no cluster of two workers was tried: pip install 'ray[data]>=2.60,<2.64'",
    ),
]


@pytest.fixture(scope="module")
def cluster() -> Iterator[None]:
    """Two cores on this machine: to start them takes seconds, so all tests here share them."""
    import ray  # pyright: ignore[reportMissingImports]

    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False, object_store_memory=10**8)
    try:
        yield
    finally:
        ray.shutdown()


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, bytes]]:
    """Noisy pictures in two folders, and what one machine makes of them."""
    folder = tmp_path_factory.mktemp("ray")
    (folder / "in" / "sub").mkdir(parents=True)
    with Image.open(ROOT / "examples" / "noisy.png") as noisy:
        for index in range(NUM_PICTURES):
            name = f"{'sub/' if index % 3 == 0 else ''}{index}.png"
            noisy.rotate(7 * index).crop((80, 50, 280, 210)).save(folder / "in" / name)
    request = Request(source=folder / "in", target=folder / "alone", model="color", threads=1, backend="cpu")
    denoise_files(request, Reporter(quiet=True, json=False))
    return folder, _contents(folder / "alone")


def _contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*.png")}


def test_two_workers_give_what_one_machine_gives_though_one_is_killed(
    cluster: None,
    folders: tuple[Path, dict[str, bytes]],
    in_process: Callable[..., subprocess.CompletedProcess[str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder, alone = folders
    (folder / "out").mkdir()
    (folder / "out" / "1.png").write_bytes(b"made by an earlier run")
    killed: list[str] = []
    tell = Reporter.row

    def kill_the_first_that_is_heard_of(reporter: Reporter, values: dict[str, Any]) -> None:
        if not killed and values["worker"] is not None:
            killed.append(values["worker"])
            os.kill(int(values["worker"].partition(":")[2]), signal.SIGKILL)
        tell(reporter, values)

    monkeypatch.setattr(Reporter, "row", kill_the_first_that_is_heard_of)
    options = ("--ray", "auto", "--model", "color", "--threads", "1", "--skip-existing", "--json")
    result = in_process(app, folder / "in", folder / "out", *options)
    assert result.returncode == 0, result.stderr

    *rows, summary = [json.loads(line) for line in result.stdout.splitlines()]
    assert sorted(Path(row["input"]).relative_to(folder / "in").as_posix() for row in rows) == sorted(alone)
    assert [row["output"] for row in rows if row["status"] != "written"] == [str(folder / "out" / "1.png")]
    assert summary["summary"]["workers"] == 2
    assert len(killed) == 1
    assert len({row["worker"] for row in rows if row["status"] == "written"}) >= 2
    (table,) = (folder / "out").glob("hinas-results-*.csv")
    assert len(table.read_text().splitlines()) == 1 + NUM_PICTURES

    written = _contents(folder / "out")
    assert written.pop("1.png") == b"made by an earlier run"
    assert written == {name: content for name, content in alone.items() if name != "1.png"}

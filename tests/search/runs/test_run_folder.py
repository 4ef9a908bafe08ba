"""The folder of a search or a training belongs to one run at a time."""

import json
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from hinas.errors import UserError
from hinas.search.learning.distributed import Ranks
from hinas.search.runs.run_folder import prepared_run_folder
from hinas.search.train_command import app

pytest.importorskip("fcntl", reason="POSIX alone has these locks")


def test_a_second_run_is_refused_while_the_first_one_writes(
    in_process: Callable[..., Any], small_document: Any, picture_folder: Path, tmp_path: Path
) -> None:
    genotype = tmp_path / "small.json"
    genotype.write_text(json.dumps(small_document(3)))
    out = tmp_path / "run"
    command = (
        genotype,
        picture_folder,
        "--out",
        out,
        "--batch",
        "2",
        "--crop",
        "16",
        "--device",
        "cpu",
        "--threads",
        "1",
    )
    assert in_process(app, *command, "--iterations", "2").returncode == 0
    before = (out / "checkpoint.pt").read_bytes()
    with ExitStack() as first:
        prepared_run_folder(out, "training", resume=True, ranks=Ranks(), until_end=first)
        refused = in_process(app, *command, "--iterations", "4", "--resume")
    assert refused.returncode == 2
    assert f"--out {out}: another run is writing to this folder" in refused.stderr
    assert (out / "checkpoint.pt").read_bytes() == before
    resumed = in_process(app, *command, "--iterations", "4", "--resume")
    assert resumed.returncode == 0, resumed.stderr
    assert "4 of 4 iterations" in resumed.stdout


def test_two_runs_that_begin_at_once_do_not_share_a_folder(tmp_path: Path) -> None:
    with ExitStack() as first, ExitStack() as second:
        prepared_run_folder(tmp_path / "run", "search", resume=False, ranks=Ranks(), until_end=first)
        with pytest.raises(UserError, match="another run is writing"):
            prepared_run_folder(tmp_path / "run", "search", resume=False, ranks=Ranks(), until_end=second)


def test_nothing_is_made_where_there_is_nothing_to_resume(tmp_path: Path) -> None:
    with ExitStack() as until_end, pytest.raises(UserError, match="no search to resume from; start without --resume"):
        prepared_run_folder(tmp_path / "run", "search", resume=True, ranks=Ranks(), until_end=until_end)
    assert not (tmp_path / "run").exists()


def test_the_lock_is_gone_after_the_run(tmp_path: Path) -> None:
    with ExitStack() as first:
        prepared_run_folder(tmp_path, "search", resume=False, ranks=Ranks(), until_end=first)
        with ExitStack() as second, pytest.raises(UserError):
            prepared_run_folder(tmp_path, "search", resume=False, ranks=Ranks(), until_end=second)
        assert list(tmp_path.iterdir())
    assert not list(tmp_path.iterdir())

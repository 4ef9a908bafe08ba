"""The scores of shared kernels beside those of trainings from scratch."""

import sys
from pathlib import Path
from typing import Any

import pytest
from compare_rankings import main
from hinas.search.search_command import app
from PIL import Image

SMALL: dict[str, Any] = {
    "widths": [8, 16], "middle": [1, 3], "blocks": [1, 2], "levels": [1, 2], "resolutions": ["half"],
    "supernet.iterations": 4, "supernet.batch": 2, "supernet.crop": 32, "supernet.random_paths": 1,
    "supernet.population": 3, "supernet.parents": 2, "supernet.generations": 0, "supernet.finalists": 1,
    "halving.candidates": 4, "halving.rounds": 2, "halving.growth": 2, "halving.kept": 1,
    "halving.first_iterations": 10, "halving.batch": 2, "halving.crop": 32, "halving.validation_side": 32,
}  # fmt: skip


CELLS: dict[str, Any] = {
    "layers": 2, "nodes": 1, "width": 4, "compact_width": 8, "width_search": "fixed",
    "stem": {"resolution": "half", "channels": 8}, "end": {"channels": 8, "early_channels": 8},
    "steps": 2, "epochs": 2, "batch": 2, "crop": 32, "warm_up_epochs": 0,
} | {name: value for name, value in SMALL.items() if name.startswith("halving.")}  # fmt: skip


def _searched(
    in_process: Any, images: Path, out: Path, method: str, space: str = "pyramid", settings: dict[str, Any] = SMALL
) -> Path:
    changes = [part for name, value in settings.items() for part in ("--set", f"{name}={value}".replace("'", '"'))]
    arguments = [str(images), "--out", str(out), "--space", space, "--method", method, "--channels", "1", *changes]
    done = in_process(app, *arguments, "--device", "cpu", "--threads", "1")
    assert done.returncode == 0, done.stderr
    return out


def _table(capsys: pytest.CaptureFixture[str]) -> list[list[str]]:
    """What the tool prints, words by line."""
    capsys.readouterr()
    main()
    return [line.split() for line in capsys.readouterr().out.splitlines()]


def test_every_network_is_scored_twice_and_other_seeds_are_refused(
    picture_folder: Path,
    tmp_path: Path,
    in_process: Any,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    supernet = _searched(in_process, picture_folder, tmp_path / "supernet", "supernet")
    truth = _searched(in_process, picture_folder, tmp_path / "truth", "halving")
    picture = tmp_path / "rankings.png"
    monkeypatch.setattr(sys, "argv", ["", str(supernet), str(truth), str(picture_folder), "--out", str(picture)])
    table = _table(capsys)
    networks = [line for line in table if line[0].isdigit()]
    assert sorted(int(line[0]) for line in networks) == [1, 2, 3, 4]
    last = [float(line[-1]) for line in networks]
    assert last == sorted(last, reverse=True)
    assert len({line[1] for line in networks}) > 1, "networks with one set of kernels still differ"
    taus = [float(text) for text in table[-1][1:]]
    assert len(taus) == 2 and all(-1 <= value <= 1 for value in taus)
    with Image.open(picture) as drawn:
        assert drawn.width > 300

    listed = truth / "networks.json"
    listed.write_text(listed.read_text().replace('"seed": 0', '"seed": 4'))
    with pytest.raises(SystemExit, match="another seed"):
        main()


def test_a_differentiable_search_is_judged_by_its_kernels_and_by_its_architecture(
    picture_folder: Path,
    tmp_path: Path,
    in_process: Any,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    found = _searched(in_process, picture_folder, tmp_path / "gradient", "gradient", "hinas", CELLS)
    truth = _searched(in_process, picture_folder, tmp_path / "truth", "halving", "hinas", CELLS)
    monkeypatch.setattr(
        sys, "argv", ["", str(found), str(truth), str(picture_folder), "--out", str(tmp_path / "rankings.png")]
    )
    networks = [line for line in _table(capsys) if line[0].isdigit()]
    assert len(networks) == 4
    for column in (1, 2):
        assert len({line[column] for line in networks}) > 1
    assert all(float(line[2]) < 0 for line in networks), "logarithms of probabilities"

    listed = truth / "networks.json"
    listed.write_text(listed.read_text().replace('"seed": 0', '"seed": 4'))
    with pytest.raises(SystemExit, match="another seed"):
        main()

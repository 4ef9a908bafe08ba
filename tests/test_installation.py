"""Advice to install something can be followed: hinas is on no index, so it names the folder of its source."""

import json
import shlex
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import hinas
import pytest
from hinas import installation
from hinas.installation import install_advice


def test_in_a_checkout_it_names_the_checkout() -> None:
    folder = Path(hinas.__file__).parent
    assert shlex.split(install_advice("gpu")) == ["pip", "install", f"{folder}[gpu]"]


class _Distribution:
    def __init__(self, url: str) -> None:
        self._url = url

    def read_text(self, name: str) -> str | None:
        return json.dumps({"url": self._url, "dir_info": {}}) if name == "direct_url.json" else None


def test_installed_from_a_folder_it_names_that_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source, installed = tmp_path / "my source", tmp_path / "site-packages" / "hinas"
    source.mkdir()
    (source / "pyproject.toml").touch()
    monkeypatch.setattr(installation, "__file__", str(installed / "installation.py"))
    monkeypatch.setattr(installation, "distribution", lambda name: _Distribution(source.as_uri()))
    assert shlex.split(install_advice("cpu")) == ["pip", "install", f"{source}[cpu]"]
    (source / "pyproject.toml").unlink()
    assert install_advice("cpu") == """pip install ".[cpu]" in the folder of hinas's source"""


def test_without_a_trace_of_the_source_it_still_says_where(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def missing(name: str) -> None:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(installation, "__file__", str(tmp_path / "installation.py"))
    monkeypatch.setattr(installation, "distribution", missing)
    assert install_advice("gpu") == """pip install ".[gpu]" in the folder of hinas's source"""

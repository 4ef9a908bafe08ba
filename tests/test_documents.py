"""CONTRIBUTING and docs name files that exist, and the page on the structure names every folder."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest
from hinas.runtime import Denoiser
from PIL import Image

ROOT = Path(__file__).parent.parent
DOCUMENTS = (ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md")))


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_file_a_document_names_is_there(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    links = re.findall(r"\]\(([^)#:]+)\)", text)
    missing = [link for link in links if not (document.parent / link).exists()]
    places = re.findall(
        r"(?:search|export|runtime|bench|tools|tests)/[a-z_/]*[a-z](?:\.[a-z]+)?(?![A-Za-z_]|/[A-Z])", text
    )
    missing += [place for place in places if not (ROOT / place).exists()]
    assert missing == []


def test_the_page_on_the_structure_names_every_folder() -> None:
    packages = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]["packages"]
    folders = {"/".join(package.split(".")[1:]) for package in packages if package.count(".") > 1}
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^\| `([a-z_/]+)` \|", page, flags=re.MULTILINE)) == folders


def test_the_plain_onnxruntime_example_gives_what_hinas_gives(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "export.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"^```python\n(.*?)^```$", page, flags=re.MULTILINE | re.DOTALL)
    for folder in ("examples", "runtime"):
        (tmp_path / folder).symlink_to(ROOT / folder)
    subprocess.run([sys.executable, "-c", example], cwd=tmp_path, check=True, timeout=300)
    noisy, got = (np.asarray(Image.open(tmp_path / name)) for name in ("examples/noisy.png", "denoised.png"))
    expected = Denoiser.load("color", "cpu", threads=1)(noisy, sigma=30)
    assert np.abs(got.astype(int) - expected.astype(int)).max() <= 1

"""CONTRIBUTING and docs name files that exist, and the page on the structure names every folder."""

import re
import tomllib
from pathlib import Path

import pytest

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

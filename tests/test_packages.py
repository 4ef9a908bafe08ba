"""What pyproject.toml installs is what the folders hold: no forgotten list leaves a file out of a wheel."""

import tomllib
from pathlib import Path

ROOT = Path(__file__).parent.parent
ROOMS = ("search", "export", "runtime", "bench")
SETUPTOOLS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]
MOST_MODULES = 15


def _files() -> list[Path]:
    """Every file of the rooms, without what Python writes itself."""
    found = (path for room in ROOMS for path in (ROOT / room).rglob("*"))
    return sorted(path for path in found if path.is_file() and "__pycache__" not in path.parts)


def _folder_of(package: str) -> Path:
    return ROOT.joinpath(*package.split(".")[1:])


def test_every_folder_with_modules_is_a_package_and_listed() -> None:
    folders = {path.parent for path in _files() if path.suffix == ".py"}
    assert [folder for folder in sorted(folders) if not (folder / "__init__.py").is_file()] == []
    present = {".".join(("hinas", *folder.relative_to(ROOT).parts)) for folder in folders}
    assert len(SETUPTOOLS["packages"]) == len(set(SETUPTOOLS["packages"]))
    assert set(SETUPTOOLS["packages"]) == present | {"hinas"}


def test_every_pattern_of_data_files_matches_one_and_every_data_file_is_matched() -> None:
    matched: set[Path] = set()
    for package, patterns in SETUPTOOLS["package-data"].items():
        for pattern in patterns:
            files = set(_folder_of(package).glob(pattern))
            assert files, f"{package}: no file matches {pattern}"
            matched |= files
    forgotten = [path for path in _files() if path.suffix != ".py" and path not in matched]
    assert forgotten == [], "add them to [tool.setuptools.package-data]"


def test_no_folder_is_crowded() -> None:
    folders = [path for path in ROOT.iterdir() if path.is_dir() and path.name in (*ROOMS, "tools")]
    folders += [path for folder in folders for path in folder.rglob("*") if path.is_dir()]
    counted = {folder: len([*folder.glob("*.py")]) - (folder / "__init__.py").is_file() for folder in (ROOT, *folders)}
    crowded = {str(folder.relative_to(ROOT)): count for folder, count in counted.items() if count > MOST_MODULES}
    assert crowded == {}, f"at most {MOST_MODULES} modules a folder"

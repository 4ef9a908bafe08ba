"""The house: data flows search -> export -> runtime -> bench, and the runtime never meets torch."""

import ast
import sys
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
MAY_IMPORT = {
    "search": {"search"},
    "runtime": {"runtime"},
    "export": {"export", "search", "runtime"},
    "bench": {"bench", "search", "export", "runtime"},
}
MODULES = sorted(path for room in MAY_IMPORT for path in (ROOT / room).rglob("*.py"))


def _modules_of(room: str) -> list[Path]:
    found = [path for path in MODULES if path.relative_to(ROOT).parts[0] == room]
    assert found
    return found


@cache
def _imported(path: Path) -> list[tuple[str, ...]]:
    """Every imported module as a tuple of names from the package root, or from the top for foreign ones."""
    return _imported_in(ast.parse(path.read_text()), path)


def _imported_when_run(path: Path) -> list[tuple[str, ...]]:
    """As `_imported`, without what is imported for type checkers alone."""
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            node.body = []
    return _imported_in(tree, path)


def _imported_in(tree: ast.Module, path: Path) -> list[tuple[str, ...]]:
    here = ("hinas", *path.relative_to(ROOT).with_suffix("").parts)
    found: list[tuple[str, ...]] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [tuple(alias.name.split(".")) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = here[: len(here) - node.level] if node.level else ()
            module = (*base, *(node.module.split(".") if node.module else ()))
            found += [module, *[(*module, alias.name) for alias in node.names]]
    return found


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_a_module_imports_only_the_rooms_it_may(room: str) -> None:
    wrong = [
        f"{path.relative_to(ROOT)} imports {'.'.join(name)}"
        for path in _modules_of(room)
        for name in _imported(path)
        if name[0] == "hinas" and len(name) > 1 and name[1] in MAY_IMPORT and name[1] not in MAY_IMPORT[room]
    ]
    assert wrong == []


def test_runtime_and_genotypes_need_no_torch() -> None:
    without = [*_modules_of("runtime"), *(path for path in MODULES if path.name == "genotype.py")]
    wrong = [
        f"{path.relative_to(ROOT)} imports {name[0]}"
        for path in without
        for name in _imported_when_run(path)
        if name[0] in ("torch", "torchvision")
    ]
    assert wrong == []


def test_our_own_modules_are_imported_relatively() -> None:
    absolute = [
        path
        for path in MODULES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom) and node.level == 0 and (node.module or "").split(".")[0] == "hinas"
    ]
    assert absolute == []


def _arrows(room: str) -> dict[Path, set[Path]]:
    """For each folder of a room, the folders that its modules import from.

    A folder and the one that holds it may know each other: the files at the top open what lies below, and that uses
    the interface at the top. Imports inside functions and for types alone count: a reader sees their arrows too.
    """
    arrows: dict[Path, set[Path]] = {}
    for path in _modules_of(room):
        for name in _imported(path):
            target = ROOT.joinpath(*name[1:])
            module = target / "__init__.py" if target.is_dir() else target.with_suffix(".py")
            if name[:2] != ("hinas", room) or not module.is_file():
                continue
            here, there = path.parent, module.parent
            if not (here.is_relative_to(there) or there.is_relative_to(here)):
                arrows.setdefault(here, set()).add(there)
    return arrows


def _reached(start: Path, arrows: dict[Path, set[Path]]) -> set[Path]:
    """Every folder that arrows lead to from `start`."""
    found: set[Path] = set()
    waiting = [start]
    while waiting:
        new = arrows.get(waiting.pop(), set()) - found
        found |= new
        waiting += new
    return found


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_the_folders_of_a_room_form_no_circle(room: str) -> None:
    arrows = _arrows(room)
    assert arrows
    reached = {folder: _reached(folder, arrows) for folder in arrows}
    circles = [
        f"{here.relative_to(ROOT)} -> {there.relative_to(ROOT)}"
        for here, targets in sorted(arrows.items())
        for there in sorted(targets)
        if here in reached.get(there, ())
    ]
    assert circles == [], "these arrows lie on a circle of folders"


def test_the_running_package_is_this_checkout() -> None:
    import hinas

    assert Path(str(hinas.__file__)).parent == ROOT, sys.path

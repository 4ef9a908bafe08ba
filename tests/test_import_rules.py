"""The house: data flows search -> export -> runtime -> bench, and the runtime never meets torch."""

import ast
import sys
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


def _imported(path: Path) -> list[tuple[str, ...]]:
    """Every imported module as a tuple of names from the package root, or from the top for foreign ones."""
    here = ("hinas", *path.relative_to(ROOT).with_suffix("").parts)
    found: list[tuple[str, ...]] = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found += [tuple(alias.name.split(".")) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = here[: len(here) - node.level] if node.level else ()
            module = (*base, *(node.module.split(".") if node.module else ()))
            found += [module, *[(*module, alias.name) for alias in node.names]]
    return found


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_imports_only_the_rooms_it_may(path: Path) -> None:
    room = path.relative_to(ROOT).parts[0]
    for name in _imported(path):
        if name[0] == "hinas" and len(name) > 1 and name[1] in MAY_IMPORT:
            assert name[1] in MAY_IMPORT[room], f"{path} imports {'.'.join(name)}"
        if room == "runtime" or path.name == "genotype.py":
            assert name[0] not in ("torch", "torchvision"), f"{path} imports {'.'.join(name)}"


def test_our_own_modules_are_imported_relatively() -> None:
    absolute = [
        path
        for path in MODULES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom) and node.level == 0 and (node.module or "").split(".")[0] == "hinas"
    ]
    assert absolute == []


def test_every_package_is_listed_in_pyproject() -> None:
    import tomllib

    listed = set(tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"])
    present = {
        ".".join(("hinas", *path.parent.relative_to(ROOT).parts))
        for room in MAY_IMPORT
        for path in (ROOT / room).rglob("__init__.py")
    }
    assert listed == present | {"hinas"}


def test_the_running_package_is_this_checkout() -> None:
    import hinas

    assert Path(str(hinas.__file__)).parent == ROOT, sys.path

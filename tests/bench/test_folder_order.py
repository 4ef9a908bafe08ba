"""The folders of bench import one another in one direction, and none of them a module of bench's top."""

import ast
from pathlib import Path

import pytest

ROOM = Path(__file__).parent.parent.parent / "bench"
ORDER = (
    "devices", "results", "quality", "peers", "latency", "methods", "prices", "projection", "published", "pairs",
    "report",
)  # fmt: skip
MODULES = sorted(path for folder in ORDER for path in (ROOM / folder).rglob("*.py"))


def test_the_order_names_every_folder() -> None:
    assert sorted(ORDER) == sorted(path.parent.name for path in ROOM.glob("*/__init__.py"))


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOM)))
def test_a_folder_imports_only_those_before_it(path: Path) -> None:
    folder = path.parent.name
    before = ORDER[: ORDER.index(folder)]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        # Two dots lead from a module in a folder to bench itself.
        if isinstance(node, ast.ImportFrom) and node.level == 2:
            assert node.module and node.module.split(".")[0] in before, f"{path.name} imports ..{node.module}"

"""Genotypes and searches as pictures: whole, named, and the same every time."""

import json
from pathlib import Path
from typing import Any

import pytest
from hinas.search.architecture_search.drawings.genotype_drawing import cells_figure, draw_genotype
from hinas.search.architecture_search.drawings.search_curves import draw_search_curves
from hinas.search.architecture_search.search_history import SearchRow
from hinas.search.genotype import genotype_from_json
from hinas.search.spaces.diagram import CellDiagram, CellsDiagram, EdgeDiagram
from matplotlib.patches import FancyArrowPatch
from PIL import Image


@pytest.mark.parametrize("seed", range(3))
def test_a_genotype_is_drawn_with_everything_it_holds(random_document: Any, seed: int, tmp_path: Path) -> None:
    genotype = genotype_from_json(json.dumps(random_document(seed)))
    files = draw_genotype(genotype, tmp_path / "one")
    again = draw_genotype(genotype, tmp_path / "two")
    assert [path.name for path in files] == ["one.png", "one.svg"]
    assert [path.read_bytes() for path in files] == [path.read_bytes() for path in again]
    text = files[1].read_text()
    assert genotype.identity in text
    description: Any = genotype.network
    for number, cell in enumerate(description.cells, start=1):
        assert f"cell {number}: {description.level_width(cell.level)} channels" in text
        for operation in {operation for node in cell.nodes for operation, _ in node}:
            assert text.count(operation) >= sum(edge[0] == operation for node in cell.nodes for edge in node)


def _cell(*edges: tuple[int, int], nodes: int) -> CellDiagram:
    return CellDiagram(
        title="cell 1", inputs=("previous", "before"), nodes=tuple(map(str, range(nodes))), output="next cell",
        edges=tuple(EdgeDiagram(source=source, target=target, operation="skip") for source, target in edges),
    )  # fmt: skip


@pytest.mark.parametrize(
    "cell",
    [
        # From the cell before the previous one to the last node: below the line, where it is a node's second edge.
        _cell((0, 0), (1, 0), (2, 1), (3, 2), (4, 3), (1, 3), nodes=4),
        _cell((1, 0), nodes=1),
    ],
)
def test_no_arc_of_a_cell_is_cut_off(cell: CellDiagram) -> None:
    network = CellsDiagram(
        start="start", cells=(cell, cell), end="end", levels=("8 channels",), path=(0, 0), operations=("skip",)
    )
    figure = cells_figure(network, "a title")
    figure.canvas.draw()
    for axes in figure.axes[1:]:
        frame = axes.get_window_extent()
        drawn = [*axes.texts, *axes.patches]
        assert len([patch for patch in axes.patches if isinstance(patch, FancyArrowPatch)]) == len(cell.edges)
        for extent in (artist.get_window_extent() for artist in drawn):
            assert frame.y0 <= extent.y0 and extent.y1 <= frame.y1
            assert frame.x0 <= extent.x0 and extent.x1 <= frame.x1


def test_a_search_is_drawn_even_after_one_epoch(tmp_path: Path) -> None:
    row = SearchRow(
        epoch=1, seconds=1.0, losses={"architecture": None, "kernel": 0.5}, psnr_db=None, ssim=None, entropies={},
        latency_ms=None,
    )  # fmt: skip
    for path in draw_search_curves([row], tmp_path / "curves"):
        assert path.is_file()
    with Image.open(tmp_path / "curves.png") as picture:
        assert picture.getextrema() != ((255, 255),) * len(picture.getbands())

"""How a search space describes a network to whoever draws it: as cells on levels, or as a free graph of boxes."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class EdgeDiagram:
    """An operation that reads one state and adds to one node."""

    source: int
    """Index among the inputs, then the nodes."""
    target: int
    """Index among the nodes."""
    operation: str


@dataclass(frozen=True, kw_only=True)
class CellDiagram:
    """One cell: inputs, nodes, edges, and what leaves it."""

    title: str
    inputs: tuple[str, ...]
    nodes: tuple[str, ...]
    edges: tuple[EdgeDiagram, ...]
    output: str


@dataclass(frozen=True, kw_only=True)
class CellsDiagram:
    """A network of cells from its start part to its end part, each cell on a level."""

    start: str
    cells: tuple[CellDiagram, ...]
    end: str
    levels: tuple[str, ...]
    """What the levels are called, level 0 first."""
    path: tuple[int, ...]
    """Each cell's level."""
    operations: tuple[str, ...]
    """Every operation of the space, in the order of the legend's colours."""


@dataclass(frozen=True, kw_only=True)
class Box:
    """One part of a network."""

    label: str
    column: float
    """From left to right, the direction of the data; columns are one unit apart."""
    row: float
    """From top to bottom, such as the level of resolution; rows are one unit apart."""
    kind: str
    """Boxes of one kind have one colour; the legend names the kinds."""


@dataclass(frozen=True, kw_only=True)
class Arrow:
    """Data that goes from one box to another."""

    source: int
    """Index among the boxes."""
    target: int
    label: str = ""


@dataclass(frozen=True, kw_only=True)
class GraphDiagram:
    """A network of any form, such as a U-Net or parallel branches, as boxes and arrows between them."""

    boxes: tuple[Box, ...]
    arrows: tuple[Arrow, ...]
    rows: tuple[str, ...] = ()
    """What the rows are called, row 0 first; may be empty."""


Diagram = CellsDiagram | GraphDiagram

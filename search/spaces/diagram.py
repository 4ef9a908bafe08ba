"""How a search space describes a network to whoever draws it: cells as graphs, and the levels they lie on."""

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
class NetworkDiagram:
    """A network from its start part to its end part."""

    start: str
    cells: tuple[CellDiagram, ...]
    end: str
    levels: tuple[str, ...]
    """What the levels are called, level 0 first."""
    path: tuple[int, ...]
    """Each cell's level."""
    operations: tuple[str, ...]
    """Every operation of the space, in the order of the legend's colours."""

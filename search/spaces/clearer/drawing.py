"""What there is to draw of a CLEARER network: its branches as rows, its modules from left to right."""

from ..diagram import Arrow, Box, GraphDiagram
from .space import Module, NetworkDescription


def diagram(description: NetworkDescription) -> GraphDiagram:
    """Boxes for the stem, the ways down, the modules on each branch, and the end; arrows for the data."""
    stem = description.stem
    drawn = _Drawing()
    drawn.add(f"stem\n{stem.channels * stem.expansion} channels", "stem", row=0, sources=())
    drawn.finish_column()
    for stage, kinds in enumerate(description.stages):
        for row in (0, 1) if stage == 0 else (stage + 1,):
            drawn.add(f"transition\n{description.widths[row]} channels", "transition", row=row, sources=(stage,))
        drawn.finish_column()
        for kind in kinds:
            drawn.add_module(kind, description)
    drawn.add("end\nfusion, 1x1", "end", row=0, sources=tuple(range(description.num_branches)))
    strides = description.strides
    rows = tuple("full resolution" if stride == 1 else f"1/{stride} resolution" for stride in strides)
    return GraphDiagram(boxes=tuple(drawn.boxes), arrows=tuple(drawn.arrows), rows=rows)


class _Drawing:
    """Columns of boxes; each box reads boxes of earlier columns."""

    def __init__(self) -> None:
        self.boxes: list[Box] = []
        self.arrows: list[Arrow] = []
        self._column = 0
        self._last: dict[int, int] = {}
        self._new: dict[int, int] = {}

    def add(self, label: str, kind: str, *, row: int, sources: tuple[int, ...]) -> None:
        """A box in the current column, and arrows from the last boxes of these rows."""
        self.boxes.append(Box(label=label, column=self._column, row=row, kind=kind))
        self._new[row] = len(self.boxes) - 1
        self.arrows += [Arrow(source=self._last[source], target=self._new[row]) for source in sources]

    def finish_column(self) -> None:
        """The next boxes stand one column further and read these."""
        self._last |= self._new
        self._new = {}
        self._column += 1

    def add_module(self, kind: Module, description: NetworkDescription) -> None:
        """A column of one module, a box on each branch that there is."""
        rows = tuple(sorted(self._last))
        for row in rows:
            sources = (row,) if kind == "parallel" else rows
            self.add(f"{kind}\n{description.widths[row]}", kind, row=row, sources=sources)
        self.finish_column()

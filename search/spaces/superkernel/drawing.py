"""What there is to draw of a superkernel network: levels as rows, the data from left to right."""

from ..diagram import Arrow, Box, GraphDiagram
from .layout import Block, Level, Subnetwork, layout
from .space import NetworkDescription


def diagram(description: NetworkDescription) -> GraphDiagram:
    """Boxes for entries of levels, DCR blocks with their slices and joints; subnetworks below each other."""
    plan = layout(description, channels=1)
    drawn = _Drawing(description)
    ends = [drawn.subnetwork(part, index) for index, part in enumerate(plan.subnetworks)]
    column = max(drawn.boxes[end].column for end in ends) + 1
    label = "end" if description.base == "skipinit" else "attention,\nend"
    drawn.boxes.append(Box(label=label, column=column, row=0, kind="end"))
    drawn.arrows += [Arrow(source=end, target=len(drawn.boxes) - 1) for end in ends]
    strides = [description.level_stride(level) for level in range(description.depth + 1)]
    names = ["full resolution" if stride == 1 else f"1/{stride} resolution" for stride in strides]
    return GraphDiagram(
        boxes=tuple(drawn.boxes), arrows=tuple(drawn.arrows), rows=tuple(names * description.subnetworks)
    )


class _Drawing:
    """Boxes of a subnetwork one after the other, each in a column of its own."""

    def __init__(self, description: NetworkDescription) -> None:
        self.description = description
        self.boxes: list[Box] = []
        self.arrows: list[Arrow] = []

    def subnetwork(self, part: Subnetwork, index: int) -> int:
        """Draw one and return its last box."""
        top, deepest = index * (self.description.depth + 1), self.description.depth
        exits: list[int] = []
        last: int | None = None
        for row, level in enumerate(part.descent):
            last = self._follow(last, f"3x3\n{level.width}", top + row, "entry")
            last = self._follow_blocks(last, level, top + row)
            exits.append(last)
        for row, level in zip(reversed(range(deepest)), part.ascent, strict=True):
            last = self._follow(last, f"joint\n{level.width}", top + row, "joint")
            self.arrows.append(Arrow(source=exits[row], target=last))
            last = self._follow_blocks(last, level, top + row)
        assert last is not None
        return last

    def _follow_blocks(self, last: int, level: Level, row: int) -> int:
        for block in level.blocks:
            last = self._follow(last, _slices(block), row, "DCR block")
        return last

    def _follow(self, last: int | None, label: str, row: int, kind: str) -> int:
        column = 0 if last is None else self.boxes[last].column + 1
        self.boxes.append(Box(label=label, column=column, row=row, kind=kind))
        new = len(self.boxes) - 1
        if last is not None:
            self.arrows.append(Arrow(source=last, target=new))
        return new


def _slices(block: Block) -> str:
    return "\n".join(f"{part.kernel}x{part.kernel}, {part.filters}" for part in (block.first, block.second))

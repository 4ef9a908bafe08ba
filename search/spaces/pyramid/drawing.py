"""What there is to draw of a pyramid network: its levels as rows, the data from left to right."""

from ..diagram import Arrow, Box, GraphDiagram
from .layout import Layout, Run, Up, layout
from .space import NetworkDescription


def diagram(description: NetworkDescription) -> GraphDiagram:
    """Boxes for stem, blocks, ways down and up, and end; arrows for the data and the skips."""
    plan = layout(description, channels=1)
    drawn = _Drawing()
    drawn.follow(f"stem\n{plan.stem[-1]} channels", 0, "stem")
    entries = [0]
    exits: list[int] = []
    for level, (down, run) in enumerate(plan.descent):
        if down is not None:
            drawn.follow(f"{down.kind}\n{down.channels} channels", level, "down")
            entries.append(drawn.last)
        drawn.follow_run(run, level)
        exits.append(drawn.last)
    for level, (up, run) in zip(reversed(range(len(plan.ascent))), plan.ascent, strict=True):
        drawn.follow(f"{up.kind}\n{up.channels} channels", level, "up")
        skip = entries[level] if up.leave == "entry" else exits[level]
        drawn.arrows.append(Arrow(source=skip, target=drawn.last, label=_joint(up)))
        drawn.follow_run(run, level)
    drawn.follow(f"end\n{description.end.kind}", 0, "end")
    return GraphDiagram(boxes=tuple(drawn.boxes), arrows=tuple(drawn.arrows), rows=_rows(plan))


class _Drawing:
    """Boxes one after the other, each in a column of its own."""

    def __init__(self) -> None:
        self.boxes: list[Box] = []
        self.arrows: list[Arrow] = []

    @property
    def last(self) -> int:
        return len(self.boxes) - 1

    def follow(self, label: str, row: int, kind: str) -> None:
        """A box behind the last one, and the arrow to it."""
        self.boxes.append(Box(label=label, column=len(self.boxes), row=row, kind=kind))
        if self.last:
            self.arrows.append(Arrow(source=self.last - 1, target=self.last))

    def follow_run(self, run: Run, row: int) -> None:
        """A box for a run's blocks, if there are any."""
        if run.count:
            convolution = "3x3, folded" if run.convolution == "reparameterised" else run.convolution
            name = run.kind.replace("_", " ")
            self.follow(f"{run.count} × {name}\n{convolution}, {run.channels}", row, name)


def _joint(up: Up) -> str:
    return up.join if up.fused is None else f"{up.join}, 1x1"


def _rows(plan: Layout) -> tuple[str, ...]:
    strides = (run.stride for _, run in plan.descent)
    return tuple("full resolution" if stride == 1 else f"1/{stride} resolution" for stride in strides)

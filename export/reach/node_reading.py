"""One node of a graph, as the rules see it that hand on what its inputs depend on."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from .seen import Seen, Shape


class NotUnderstoodError(Exception):
    """What an operator does to places cannot be said; the text says which and why."""


@dataclass(frozen=True, kw_only=True)
class Reading:
    """One node, as a rule sees it."""

    node: onnx.NodeProto
    inputs: Sequence[Seen | None]
    """None: a constant, or a value that does not depend on the image's pixels."""
    constants: Sequence[NDArray[Any] | None]
    """The values of inputs that are constants."""
    input_shapes: Sequence[Shape | None]
    shapes: Sequence[Shape]
    """Of the outputs."""
    length: int
    """Pixels of the axis."""
    global_nodes: list[str]
    """Operators that look at the whole image, to be added to."""

    def attribute(self, name: str, default: Any) -> Any:
        """A node's attribute; text as str."""
        for item in self.node.attribute:
            if item.name == name:
                value = onnx.helper.get_attribute_value(item)
                return value.decode() if isinstance(value, bytes) else value
        return default

    def setting(self, index: int, name: str, default: Any = None) -> Any:
        """A list of numbers that is an attribute in old opsets and a constant input in newer ones."""
        if len(self.constants) > index and (value := self.constants[index]) is not None:
            return [int(item) for item in np.atleast_1d(value)]
        if len(self.node.input) > index and self.node.input[index]:
            raise self.problem(f"its {name} are computed")
        return self.attribute(name, default)

    @property
    def first(self) -> Seen:
        """The image's side of a node that has one."""
        if not self.inputs or self.inputs[0] is None:
            raise self.problem("the image is not its first input")
        return self.inputs[0]

    def problem(self, why: str) -> NotUnderstoodError:
        """To be raised."""
        return NotUnderstoodError(f"{self.node.op_type}: {why}")


Rule = Callable[[Reading], list[Seen | None]]

"""The precisions hinas-export can write, by name. Standard library only."""

from ...runtime.manifest import Precision
from ..name_lists import chosen_names

PRECISIONS: tuple[Precision, ...] = ("fp32", "fp16", "bf16", "int8")


def precisions_of(text: str) -> tuple[Precision, ...]:
    """Read names separated by commas, each once; UserError for a name that is no precision."""
    return chosen_names("--precision", text, PRECISIONS)

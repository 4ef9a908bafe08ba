"""Model files that say something else of themselves than the file they were made of."""

from pathlib import Path

import onnx


def written_as(precision: str, model: Path, target: Path, **entries: str) -> Path:
    """The model with another precision, and further entries, in its manifest."""
    changed = onnx.load(model)
    for name, value in entries.items():
        changed.metadata_props.add(key=f"hinas.{name}", value=value)
    for entry in changed.metadata_props:
        if entry.key == "hinas.precision":
            entry.value = precision
    onnx.save(changed, target)
    return target

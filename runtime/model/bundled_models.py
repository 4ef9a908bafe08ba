"""The models that come with hinas, by name. A name is a file `models/NAME.onnx`.

A stem with a dot in it, such as `color.ort.int8`, is another form of a model and no model of its own.
"""

from pathlib import Path

from ...errors import UserError

MODELS_FOLDER = Path(__file__).parent.parent / "models"


def bundled_names() -> list[str]:
    """The names that `model_file` knows, sorted."""
    return sorted(file.stem for file in MODELS_FOLDER.glob("*.onnx") if "." not in file.stem)


def is_bundled(file: Path) -> bool:
    """Whether a model file is one that comes with hinas."""
    return file.parent == MODELS_FOLDER


def model_file(model: str | Path) -> Path:
    """The file for a bundled name or a path. Raises UserError where neither exists."""
    path = Path(model)
    # A path means the file of that name first, a text the model that comes with hinas.
    if isinstance(model, Path) and path.is_file():
        return path
    if str(model) in bundled_names():
        return MODELS_FOLDER / f"{model}.onnx"
    if path.is_file():
        return path
    known = ", ".join(bundled_names()) or "none (this installation has no models)"
    raise UserError(f"model {str(model)!r}: no such file, and no bundled model of that name; bundled: {known}")

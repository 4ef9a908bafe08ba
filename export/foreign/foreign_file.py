"""Read an ONNX file from elsewhere: with its external data, in a new enough opset, and with named nodes."""

from collections.abc import Iterator
from pathlib import Path

import onnx
from onnx import external_data_helper, version_converter

from ...errors import UserError
from ...runtime.model.manifest import PREFIX

OLDEST_OPSET = 11
"""The first whose operators the wrapping nodes share."""
_CONVERTED_TO = 17


def read_foreign(path: Path) -> onnx.ModelProto:
    """The model in a file and in the files of external data beside it.

    Raises UserError where it cannot be read, is no ONNX model, is one of hinas's own, or keeps data anywhere else.
    """
    if path.suffix == ".engine":
        raise UserError(f"{path}: an engine tells nothing of its network; give the .onnx file it was built from")
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from error
    try:
        model = onnx.load_from_string(content)
    except Exception as error:  # protobuf's own error class differs from version to version
        raise UserError(f"{path}: damaged, or not an ONNX model; --import takes ONNX files") from error
    if not model.graph.node:
        raise UserError(f"{path}: damaged, or not an ONNX model; --import takes ONNX files")
    if not is_foreign(model):
        raise UserError(f"{path}: is a hinas model already; use it as it is, with --model")
    _load_external_data(model, path)
    return model


def is_foreign(model: onnx.ModelProto) -> bool:
    """Whether nothing in the file says that it is a hinas model."""
    return not any(item.key.startswith(PREFIX) for item in model.metadata_props)


def in_new_enough_opset(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy of opset 11 or newer, every node with a name of its own. UserError where the opset cannot be converted."""
    opset = max((item.version for item in model.opset_import if item.domain in ("", "ai.onnx")), default=0)
    if opset < OLDEST_OPSET:
        try:
            model = version_converter.convert_version(model, _CONVERTED_TO)
        except Exception as error:  # the converter raises what its C++ raises
            raise UserError(
                f"is of opset {opset} and cannot be converted; export it with opset {OLDEST_OPSET} or newer "
                f"({_first_line(error)})"
            ) from error
    named = onnx.ModelProto()
    named.CopyFrom(model)
    for index, node in enumerate(named.graph.node):
        node.name = f"{node.op_type}_{index}"
    return named


def _load_external_data(model: onnx.ModelProto, path: Path) -> None:
    folder = path.parent.resolve()
    for tensor in _external_tensors(model):
        location = external_data_helper.ExternalDataInfo(tensor).location
        place = (folder / location).resolve()
        # A stranger's file must not read any other file of this machine.
        if not place.is_relative_to(folder):
            raise UserError(f"{path}: keeps tensors in {location}, outside its own folder; export it as one file")
        if not place.is_file():
            raise UserError(f"{path}: keeps its weights in {location}, which is not beside it; put it there")
    try:
        external_data_helper.load_external_data_for_model(model, str(folder))
    except Exception as error:  # ValueError, OSError, and the checker's own, by version
        raise UserError(f"{path}: its external data cannot be read ({_first_line(error)})") from error


def _external_tensors(model: onnx.ModelProto) -> Iterator[onnx.TensorProto]:
    attributes = (item for node in model.graph.node for item in node.attribute)
    for tensor in (*model.graph.initializer, *(item.t for item in attributes if item.HasField("t"))):
        if external_data_helper.uses_external_data(tensor):
            yield tensor


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:200]

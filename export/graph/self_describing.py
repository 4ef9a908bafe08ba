"""The last step of an export: the interface asked for, and everything the file says of itself."""

from collections.abc import Callable, Mapping

import onnx

from ...network_input import NetworkInput
from ...runtime.model.checksum import with_checksum
from ...runtime.model.manifest import ModelManifest
from .doc_strings import with_doc_strings
from .model_interface import with_interface
from .variants import ModelInterface


def self_describing(
    model: onnx.ModelProto,
    manifest: ModelManifest,
    given: NetworkInput,
    interface: ModelInterface,
    runnable: Callable[[onnx.ModelProto], onnx.ModelProto],
    more: Mapping[str, str] | None = None,
) -> bytes:
    """The bytes of a file, for a finished model in the precision and for the tiling that `manifest` states.

    `runnable` makes of a model what ONNX Runtime can run, to compare interfaces. `more`: of the metadata.
    Raises RuntimeError, a defect of ours, where another interface changes the answer.
    """
    model = with_interface(
        model,
        interface,
        alignment=given.alignment,
        scale=given.scale,
        runnable=runnable,
    )
    model = with_doc_strings(model, interface, given)
    onnx.helper.set_model_props(model, {**manifest.to_metadata(), **(more or {})})
    onnx.checker.check_model(model, full_check=True)
    return with_checksum(model.SerializeToString(deterministic=True))

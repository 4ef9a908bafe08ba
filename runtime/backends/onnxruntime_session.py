"""An ONNX Runtime session on a model file, checked against the file's own manifest."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...errors import UserError
from ...installation import install_advice
from ..model.manifest import ModelManifest
from ..model.model_bytes import model_bytes
from .graph_check import GraphInput, check_any_size, check_interface, check_threads, first_line

if TYPE_CHECKING:
    import onnxruntime


def imported_onnxruntime(*, extras: str) -> Any:
    """The module `onnxruntime`; UserError that names hinas's `extras` to install where it is missing."""
    try:
        import onnxruntime
    except ImportError as error:
        # Ctrl-C while its compiled part starts comes out of it as an ImportError.
        if isinstance(error.__cause__, KeyboardInterrupt):
            raise KeyboardInterrupt from error
        raise UserError(f"onnxruntime is not installed; install it: {install_advice(extras)} ({error})") from error
    return onnxruntime


def session_options(ort: Any, threads: int | None) -> "onnxruntime.SessionOptions":
    """What every backend asks for. `threads`: of the processor; None: one for each physical core."""
    check_threads(threads)
    options = ort.SessionOptions()
    options.log_severity_level = 4  # its warnings are for the maker of a model; errors come as exceptions
    options.enable_mem_pattern = False
    options.inter_op_num_threads = 1
    if threads is not None:
        options.intra_op_num_threads = threads
    return options


def open_session(
    ort: Any, model: Path, options: "onnxruntime.SessionOptions", provider: tuple[str, dict[str, Any]]
) -> "onnxruntime.InferenceSession":
    """A session with `provider` (name, options), or with what ONNX Runtime took instead: look at `get_providers`.

    Raises UserError where the file cannot be read or is no ONNX model.
    """
    content = model_bytes(model)
    try:
        # By default the bindings try again on the processor, and print a banner about it.
        return ort.InferenceSession(content, options, providers=[provider], enable_fallback=0)
    except Exception as error:  # ONNX Runtime raises a dozen classes of its own, none of them documented
        if "bfloat16" in str(error):
            raise UserError(
                f"{model}: ONNX Runtime has no bf16 for this device; use --backend openvino with a model exported with "
                "--target openvino, or one in another precision"
            ) from error
        if "NOT_IMPLEMENTED" in str(error):
            # Of a bf16 file it may be an operation that it complains of, without a word on the type.
            raise UserError(
                f"{model}: ONNX Runtime lacks an operation of this file in its number format on this device; take the "
                f"backend that it was exported for, or another precision ({first_line(error)})"
            ) from error
        raise UserError(f"{model}: damaged, or not an ONNX model ({first_line(error)})") from error


def checked_manifest(session: "onnxruntime.InferenceSession", model: Path) -> ModelManifest:
    """The manifest in the session's model; UserError where there is none or the graph is not what it promises."""
    try:
        manifest = ModelManifest.from_metadata(session.get_modelmeta().custom_metadata_map)
        inputs = {item.name: GraphInput(item.type, tuple(item.shape)) for item in session.get_inputs()}
        outputs = [item.name for item in session.get_outputs()]
        check_interface(manifest, inputs, outputs, float_type="tensor(float)")
        check_any_size(inputs)
    except UserError as error:
        raise UserError(f"{model}: {error}") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{model}: damaged, or not an ONNX model (a name that is no text)") from error
    return manifest


def is_out_of_memory(error: Exception) -> bool:
    """Whether ONNX Runtime lacked memory: it has no error class of its own for this, on no device."""
    text = str(error)
    phrases = ("bad_alloc", "Failed to allocate", "out of memory", "ALLOC_FAILED")
    return isinstance(error, MemoryError) or any(phrase in text for phrase in phrases)

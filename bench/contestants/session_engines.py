"""TensorRT engines for models that have none beside them: built for a session, kept in hinas-export's cache."""

import shutil
from pathlib import Path

from ...command_line import require_libraries
from ...runtime.backends.tensorrt_loading import engine_path


def with_engine(model: Path, *, tile: int, folder: Path) -> Path:
    """`model` where an engine lies beside it, else a copy in `folder` with one for windows up to `tile` pixels a side.

    Raises UserError where TensorRT or a GPU is missing, or TensorRT does not take the model.
    """
    if engine_path(model).is_file():
        return model
    require_libraries("--backend tensorrt", "tensorrt", "pycuda", "platformdirs", "filelock", extras="gpu")
    from ...export.tensorrt.build_request import BuildRequest
    from ...export.tensorrt.engine_beside_model import write_engine_beside

    copy = folder / f"engine-{len(list(folder.iterdir()))}.onnx"
    shutil.copyfile(model, copy)
    write_engine_beside(copy, BuildRequest(tile=tile), quiet=True)
    return copy

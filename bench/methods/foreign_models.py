"""A network that was not made for hinas, imported as most denoisers mean it: a level of sigma/255, values in 0..1."""

import onnx

from ...errors import UserError
from ...export.foreign.foreign_file import is_foreign
from ...export.foreign.foreign_use import ForeignUse
from ...export.foreign.imported_network import imported

__all__ = ["in_own_form", "is_foreign"]


def in_own_form(model: onnx.ModelProto) -> onnx.ModelProto:
    """The same network with hinas's inputs, output and manifest; UserError that says what its inputs look like."""
    try:
        network = imported(model, ForeignUse(condition="sigma/255"))
    except UserError as error:
        raise UserError(f"{error}; other conventions are options of hinas-export --import") from error
    own = onnx.ModelProto()
    own.CopyFrom(network.model)
    onnx.helper.set_model_props(own, network.manifest().to_metadata())
    return own

"""The weights of a network as they stand in an fp32 model that hinas-export wrote: enough to train it on.

Nearly all stand in the graph under their own names. The metadata's entry `hinas.state_dict` names them all, has their
checksum, and holds those few that a rewrite of the graph has changed.
"""

import base64
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError

from ...errors import UserError

STATE_DICT = "hinas.state_dict"
"""The entry of a model's metadata."""
MODEL_SUFFIX = ".onnx"
_LARGEST_CHANGED_SHARE = 0.1
"""Of the values. Where a rewrite has changed more, as folded batch norm has, a second copy would not be small."""


def state_dict_entry(
    state: Mapping[str, torch.Tensor], stored: Mapping[str, torch.Tensor], checksum: str
) -> str | None:
    """The text of `hinas.state_dict` for a network's state, of which `stored` is what stands in the graph by its name.

    None where the graph lacks more than a tenth of the values. `checksum`: of the state.
    """
    changed = {
        name: tensor.contiguous()
        for name, tensor in state.items()
        if name not in stored or not torch.equal(stored[name], tensor)
    }
    if _count(changed) > _LARGEST_CHANGED_SHARE * _count(state):
        return None
    kept = base64.b64encode(safetensors.torch.save(changed)).decode() if changed else ""
    return json.dumps({"names": list(state), "checksum": checksum, "changed": kept}, separators=(",", ":"))


def read_model(path: Path) -> tuple[dict[str, torch.Tensor], dict[str, str], str]:
    """The weights in a model file, its metadata and the weights' checksum, which is not compared here.

    UserError where the file cannot be read, or where hinas-export has not kept the network's weights in it.
    """
    metadata, stored = _read_onnx(path)
    text = metadata.get(STATE_DICT)
    if text is None:
        raise UserError(
            f"{path}: does not hold its network's weights as they were trained; give the fp32 model that hinas-export "
            "wrote, or the weights.safetensors"
        )
    try:
        entry: dict[str, Any] = json.loads(text)
        changed = safetensors.torch.load(base64.b64decode(entry["changed"])) if entry["changed"] else {}
        found = {**stored, **changed}
        return {name: found[name] for name in entry["names"]}, metadata, entry["checksum"]
    except (ValueError, KeyError, TypeError, SafetensorError) as error:
        raise UserError(f"{path}: damaged: its entry {STATE_DICT} cannot be read ({error!r}); copy it again") from error


def _read_onnx(path: Path) -> tuple[dict[str, str], dict[str, torch.Tensor]]:
    """The metadata and the constants of the graph, by their names."""
    import onnx
    from google.protobuf.message import DecodeError

    try:
        model = onnx.load(path)
    except FileNotFoundError as error:
        raise UserError(f"{path}: no such model file; hinas-export writes one") from error
    except (DecodeError, OSError) as error:
        raise UserError(f"{path}: not a readable ONNX file ({error})") from error
    metadata = {entry.key: entry.value for entry in model.metadata_props}
    constants = {
        item.name: torch.from_numpy(onnx.numpy_helper.to_array(item).copy())
        for item in model.graph.initializer
        if STATE_DICT in metadata
    }
    return metadata, constants


def _count(tensors: Mapping[str, torch.Tensor]) -> int:
    return sum(tensor.numel() for tensor in tensors.values())

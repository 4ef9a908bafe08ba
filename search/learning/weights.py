"""A network's weights as a safetensors file that says which genotype it belongs to and how it was trained.

They can be read from a model that hinas-export wrote, too.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError, safe_open
from torch import nn

from ...atomic_files import written_whole
from ...errors import UserError
from ..genotype import genotype_from_json
from .weights_in_model import MODEL_SUFFIX, read_model

_CHECKSUM = "hinas.checksum"
"""The entry of the metadata that holds the SHA-256 of all names, types, shapes and values."""


def save_weights(network: nn.Module, path: Path, *, identity: str, training: dict[str, Any]) -> None:
    """Write the state of `network` with its checksum, the genotype's identity and a record of the training."""
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()}
    metadata = {
        "format": "pt",
        "hinas.genotype_id": identity,
        "hinas.training": json.dumps(training, sort_keys=True),
        _CHECKSUM: checksum_of(tensors),
    }
    with written_whole(path) as temporary:
        safetensors.torch.save_file(tensors, temporary, metadata=metadata)


def load_weights(network: nn.Module, path: Path, *, identity: str) -> dict[str, Any]:
    """Fill `network` from a weights file, or from a model that hinas-export wrote, and return its training's record.

    Raises UserError where the file is missing or damaged, belongs to another genotype, or holds a value that is not
    finite. Files from before the checksum are taken as they are.
    """
    tensors, metadata = _read(path)
    if (found := metadata.get("hinas.genotype_id")) not in (None, identity):
        raise UserError(f"{path}: weights of genotype {found}, expected {identity}; give the weights trained for it")
    expected = network.state_dict()
    for name, tensor in expected.items():
        got = tuple(tensors[name].shape) if name in tensors else "nothing"
        if got != tuple(tensor.shape):
            raise UserError(f"{path}: {name}: got {got}, expected {tuple(tensor.shape)}; weights of another network")
    if extra := sorted(set(tensors) - set(expected)):
        raise UserError(f"{path}: {extra[0]} is no weight of this network; weights of another network")
    network.load_state_dict(tensors)
    return _record(metadata, path)


def load_fitting_weights(network: nn.Module, path: Path) -> dict[str, Any]:
    """Fill of `network` what has the name and the shape of a weight in another network's file.

    Returns the record of that network's training; its entry `tensors_taken` says how many of how many were taken.
    Raises UserError where the file is missing or damaged, or holds a value that is not finite, or where nothing fits.
    """
    tensors, metadata = _read(path)
    own = network.state_dict()
    fitting = {name: tensor for name, tensor in tensors.items() if name in own and own[name].shape == tensor.shape}
    if not fitting:
        raise UserError(f"{path}: nothing in it has the name and the shape of a weight of this network")
    network.load_state_dict(own | fitting)
    return {**_record(metadata, path), "tensors_taken": f"{len(fitting)} of {len(own)}"}


def _read(path: Path) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    """The tensors and the metadata of a file whose values are whole and finite."""
    tensors, metadata = _of_model(path) if path.suffix.lower() == MODEL_SUFFIX else _of_safetensors(path)
    if metadata.get(_CHECKSUM) not in (None, checksum_of(tensors)):
        raise UserError(f"{path}: damaged: the weights are not those that the file's checksum is of; copy it again")
    for name, tensor in tensors.items():
        if not torch.isfinite(tensor).all():
            raise UserError(f"{path}: {name} holds NaN or infinity; train again from an earlier checkpoint")
    return tensors, metadata


def _of_safetensors(path: Path) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    try:
        with safe_open(path, framework="pt") as opened:
            metadata = opened.metadata() or {}
            return {name: opened.get_tensor(name) for name in opened.keys()}, metadata  # noqa: SIM118 (not a dict)
    except FileNotFoundError as error:
        raise UserError(f"{path}: no such weights file; hinas-train writes one") from error
    except (SafetensorError, OSError) as error:
        raise UserError(f"{path}: not a readable safetensors file ({error})") from error


def _of_model(path: Path) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    """As a safetensors file would have it: the graph's checksum is another one."""
    tensors, metadata, checksum = read_model(path)
    identity = genotype_from_json(metadata.get("hinas.genotype", ""), source=f"{path}: hinas.genotype").identity
    return tensors, {**metadata, "hinas.genotype_id": identity, _CHECKSUM: checksum}


def _record(metadata: Mapping[str, str], path: Path) -> dict[str, Any]:
    try:
        return json.loads(metadata.get("hinas.training", "{}"))
    except json.JSONDecodeError as error:
        raise UserError(f"{path}: its record of the training is not JSON ({error})") from error


def checksum_of(tensors: Mapping[str, torch.Tensor]) -> str:
    """The SHA-256 of all names, types, shapes and values, 64 hexadecimal digits."""
    digest = hashlib.sha256()
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)} ".encode())
        # NumPy has no bfloat16, but every type is bytes.
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()

"""One level more for a pyramid network, which computes what it did before: a start for training it on.

Run: python tools/trainings/add_level.py GENOTYPE WEIGHTS --width 96 --blocks 4 [--before 3] --out NAME.json

Writes NAME.json and NAME.safetensors beside it. The new level becomes the middle, at half the resolution of the last
one, with blocks of its kind. Of the last level's blocks the first ones stay in front of it (`--before`, default half of
them), and the others come behind it. The convolution from the new level up again is zero, so that the level adds
nothing until it is trained (as SkipInit does with blocks, De and Smith 2020).
"""

import argparse
import json
from pathlib import Path
from typing import Any

import torch
from hinas.errors import UserError
from hinas.search.genotype import Genotype, genotype_from_json, read_genotype
from hinas.search.learning.weights import load_weights, save_weights
from torch import nn

ADDING_KINDS = ("residual", "single")


def main() -> None:
    """Write the deeper genotype and its weights."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("genotype", type=Path)
    parser.add_argument("weights", type=Path)
    parser.add_argument("--width", type=int, required=True)
    parser.add_argument("--blocks", type=int, required=True)
    parser.add_argument("--before", type=int, help="Blocks of the last level in front of the new one. Default: half.")
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    try:
        print(_written(given))
    except UserError as error:
        parser.error(str(error))


def _written(given: argparse.Namespace) -> str:
    if given.out.suffix != ".json" or not given.out.parent.is_dir():
        raise UserError(f"--out {given.out}: expected the name of a .json file in a folder that is there")
    shallow = read_genotype(given.genotype)
    if shallow.space != "pyramid":
        raise UserError(f"{given.genotype}: space {shallow.space}, expected pyramid")
    last = shallow.network.model_dump()["levels"][-1]
    if last["kind"] not in ADDING_KINDS:
        raise UserError(f"{given.genotype}: the last level is {last['kind']}, expected {' or '.join(ADDING_KINDS)}")
    steps = shallow.network.model_dump()["steps"]
    if steps is not None and (steps["skips"] != "add" or steps["up"] == "nearest"):
        found = f"up by {steps['up']}, skips {steps['skips']}"
        raise UserError(f"{given.genotype}: {found}; expected skips that add, and a convolution up, which can be zero")
    before = (last["blocks"] + 1) // 2 if given.before is None else given.before
    if not 0 <= before <= last["blocks"]:
        raise UserError(f"--before: got {before}, expected 0 to {last['blocks']}, the blocks of the last level")
    deep = deeper(shallow, width=given.width, blocks=given.blocks, before=before)
    network, record = with_weights_of(shallow, given.weights, deep, before=before)
    weights = given.out.with_suffix(".safetensors")
    save_weights(network, weights, identity=deep.identity, training=record)
    given.out.write_text(deep.to_json())
    return f"{given.out}, {weights}: {sum(tensor.numel() for tensor in network.parameters()):,} parameters"


def deeper(shallow: Genotype, *, width: int, blocks: int, before: int) -> Genotype:
    """The genotype with one level more, joined by strided convolutions, shuffles and sums where it had one alone."""
    document = json.loads(shallow.to_json())
    levels: list[dict[str, Any]] = document["network"]["levels"]
    last = levels[-1]
    levels[-1] = {**last, "blocks": before, "blocks_after": last["blocks"] - before}
    levels.append({**last, "width": width, "blocks": blocks, "blocks_after": 0})
    if provenance := document.get("provenance"):
        provenance["command"] += f"; then a level more of {blocks} blocks of {width} channels, by add_level.py"
    document["network"].setdefault("steps", {"down": "strided", "up": "shuffle", "skips": "add"})
    return genotype_from_json(json.dumps(document), source="the deeper network")


def with_weights_of(
    shallow: Genotype, weights: Path, deep: Genotype, *, before: int
) -> tuple[nn.Module, dict[str, Any]]:
    """The deep network with the shallow one's weights, and the record of their training."""
    source = shallow.built()
    record = load_weights(source, weights, identity=shallow.identity)
    network = deep.built()
    state = network.state_dict()
    old_middle = len(shallow.network.model_dump()["levels"]) - 1
    for name, tensor in source.state_dict().items():
        state[_name_in_deeper(name, old_middle, before)] = tensor
    for name in state:
        if name.startswith("ups.0."):
            state[name] = torch.zeros_like(state[name])
    network.load_state_dict(state)
    return network, record


def _name_in_deeper(name: str, old_middle: int, before: int) -> str:
    """Where a weight stands in the deeper network: what goes up again is counted from the middle."""
    part, *rest = name.split(".")
    if part in ("ups", "runs_after"):
        return ".".join([part, str(int(rest[0]) + 1), *rest[1:]])
    if part == "runs" and int(rest[0]) == old_middle and int(rest[1]) >= before:
        return ".".join(["runs_after", "0", str(int(rest[1]) - before), *rest[2:]])
    return name


if __name__ == "__main__":
    main()

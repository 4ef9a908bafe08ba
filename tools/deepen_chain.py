"""Make a trained chain of one-node cells deeper: two cells go in that hand their inputs on, so its function stays.

Run: python tools/deepen_chain.py GENOTYPE WEIGHTS --at CELL --out GENOTYPE
Weights are written beside the new genotype; go on with hinas-train --start-from.

A cell computes conv(act(A y1 + a)) + S y2 + s of the two outputs before it. With conv zero and S one the first new cell
gives y2, the second y1: the next one reads what it read before (the idea of Chen, Goodfellow, Shlens: Net2Net, ICLR
2016). A starts as the identity, too.
"""

import argparse
import json
from pathlib import Path

import torch
from hinas.search.genotype import genotype_from_json, read_genotype, write_genotype
from hinas.search.learning.weights import load_weights, save_weights


def main() -> None:
    """Write the deeper genotype and its weights; fails where the function would change."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("genotype", type=Path)
    parser.add_argument("weights", type=Path)
    parser.add_argument("--at", type=int, required=True, help="How many cells stay before the new ones.")
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    shallow = read_genotype(given.genotype)
    document = json.loads(shallow.to_json())
    document.pop("provenance", None)
    cells = document["network"]["cells"]
    cells[given.at : given.at] = [cells[0], cells[0]]
    deep = genotype_from_json(json.dumps(document))
    before, after = (each.built() for each in (shallow, deep))
    record = load_weights(before, given.weights, identity=shallow.identity)
    state = after.state_dict()
    for name, tensor in before.state_dict().items():
        state[shifted(name, given.at)] = tensor
    after.load_state_dict(state)
    for cell in (given.at, given.at + 1):
        hand_on(after.get_submodule(f"cells.{cell}"))
    noisy, sigma = torch.rand(2, shallow.task.channels, 64, 64), torch.tensor([10.0, 50.0])
    with torch.no_grad():
        difference = (after(noisy, sigma) - before(noisy, sigma)).abs().max().item()
    print(f"{len(cells)} cells, largest difference of the outputs {difference:.1e}")
    assert difference < 1e-6
    write_genotype(deep, given.out)
    save_weights(after, given.out.with_suffix(".safetensors"), identity=deep.identity, training=record)


def shifted(name: str, at: int) -> str:
    """A weight's name behind the two new cells."""
    kind, number, *rest = name.split(".")
    if kind != "cells" or int(number) < at:
        return name
    return ".".join([kind, str(int(number) + 2), *rest])


@torch.no_grad()
def hand_on(cell: torch.nn.Module) -> None:
    """Let a cell of one 3x3 convolution and one skip give the layer before the previous one."""
    for name, parameter in cell.named_parameters():
        parameter.zero_()
        if name.startswith("squeeze") and parameter.ndim == 4:
            parameter[:, :, 0, 0] = torch.eye(len(parameter))


if __name__ == "__main__":
    main()

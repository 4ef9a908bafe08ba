"""The mean of several states of a network's training, in half the bytes: weights that are ready to be bundled.

Run: python tools/trainings/average_weights.py GENOTYPE WEIGHTS [WEIGHTS ...] [--shares 0.5,0.5] --out WEIGHTS

States that lie on one training's way can be averaged weight by weight, and the mean is often better than each
(Izmailov et al., UAI 2018, arXiv 1803.05407). The values are rounded to bfloat16, of one file too: in a model file,
which holds them as fp32, a package compresses them to less than half then. Rounded so, `gray` and
`color` lost nothing at sigma 1, 15 and 50 (crops of six held-out images).
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from hinas.search.genotype import Genotype, read_genotype
from hinas.search.learning.weights import load_weights, save_weights


def main() -> None:
    """Write the mean."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("genotype", type=Path)
    parser.add_argument("weights", type=Path, nargs="+")
    parser.add_argument("--shares", type=numbers, help="Of each file, such as 0.7,0.3. Default: the same of all.")
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    shares = given.shares or [1 / len(given.weights)] * len(given.weights)
    if len(shares) != len(given.weights) or abs(sum(shares) - 1) > 1e-6:
        parser.error(f"--shares: got {given.shares}, expected {len(given.weights)} numbers with the sum 1")
    genotype = read_genotype(given.genotype)
    network, record = averaged(genotype, given.weights, shares)
    rounded = network.bfloat16()
    save_weights(rounded, given.out, identity=genotype.identity, training=record)
    print(f"{given.out}: {sum(tensor.numel() for tensor in rounded.state_dict().values()):,} values in bfloat16")


def numbers(text: str) -> list[float]:
    """Those of a list with commas; ValueError, which argparse reports, where one is none."""
    return [float(part) for part in text.split(",")]


@torch.no_grad()
def averaged(
    genotype: Genotype, files: Sequence[Path], shares: Sequence[float]
) -> tuple[torch.nn.Module, dict[str, Any]]:
    """The network with the weighted mean of the files' weights, and the record: the last file's, with the shares."""
    states = []
    record: dict[str, Any] = {}
    network = genotype.built()
    for file in files:
        record = load_weights(network, file, identity=genotype.identity)
        states.append({name: tensor.double().clone() for name, tensor in network.state_dict().items()})
    mean = {name: sum(share * state[name] for share, state in zip(shares, states, strict=True)) for name in states[0]}
    network.load_state_dict(mean)
    if len(files) > 1:
        record = {
            **record,
            "averaged": [{"file": file.name, "share": share} for file, share in zip(files, shares, strict=True)],
        }
        record.pop("validation", None)
    return network, record


if __name__ == "__main__":
    main()

"""A compact network with a supernet's kernels: of every superkernel the slice that its description names."""

from collections.abc import Sequence

import torch

from .choices import SliceChoice
from .network import SuperkernelNetwork, build
from .space import NetworkDescription
from .superkernel import Superkernel, sliced


@torch.no_grad()
def inherited_network(
    supernet: SuperkernelNetwork, choices: Sequence[SliceChoice], description: NetworkDescription, channels: int
) -> SuperkernelNetwork:
    """The described network; parts that no search changes are copied, all with the same names."""
    network = build(description, channels).to(supernet.end.weight)
    values = supernet.state_dict()
    chosen = list(zip(choices, description.slices, strict=True))
    for (name, block), *both in zip(supernet.dense_blocks, chosen[::2], chosen[1::2], strict=True):
        assert isinstance(block.first, Superkernel)
        begins = block.first.convolution.in_channels
        known = torch.arange(begins, device=supernet.end.weight.device)
        for part, (choice, slice_) in zip(("first", "second"), both, strict=True):
            superkernel = getattr(block, part)
            assert isinstance(superkernel, Superkernel)
            key, kept = f"{name}.{part}.convolution", choice.kept(slice_.filters)
            values[f"{key}.weight"] = sliced(values[f"{key}.weight"][kept][:, known], slice_.kernel)
            values[f"{key}.bias"] = values[f"{key}.bias"][kept] * superkernel.bias_share(slice_.kernel)
            known = torch.cat([known, begins + kept])
            begins += superkernel.convolution.out_channels
        last = next(key for key in values if key.startswith(f"{name}.last.") and values[key].ndim == 4)
        values[last] = values[last][:, known]
    network.load_state_dict(values)
    return network

"""The superkernel space as the search sees it: the base net with whole superkernels, and the choice of their slices."""

import math
from collections.abc import Mapping, Sequence
from random import Random

import torch
from torch import Tensor, nn
from torch.func import functional_call

from ...learning.kernel_optimizers import kernel_optimizers
from ..interface import Block, SpaceDescription, own
from ..schedule import SearchSchedule
from ..searcher import Phase, SamplingSearcher
from .blocks import blocks
from .choices import SliceChoice, slice_choices
from .dense_block import activation
from .expected_cost import expected_blocks, expected_halo
from .network import SuperkernelNetwork, build, initialised
from .receptive_field import geometry
from .search_settings import Settings
from .space import NetworkDescription, Slice
from .superkernel import Superkernel, sliced


class SuperkernelSearcher(SamplingSearcher):
    """Kernels and logits learn together, in one phase on W; every step draws a relaxed sample of all slices."""

    temperature: Tensor

    def __init__(self, settings: Settings, channels: int) -> None:
        super().__init__()
        self.settings = settings
        self.channels = channels

        def superkernel(in_channels: int, largest: Slice) -> nn.Module:
            act = activation(settings.activation)
            return Superkernel(in_channels, largest.filters, settings.kernels, act, settings.mask)

        self.network = initialised(SuperkernelNetwork(settings.largest(), channels, superkernel))
        self.choices = nn.ModuleList(slice_choices(settings))
        self.register_buffer("temperature", torch.ones(()))
        self.stride = settings.period
        self.conditioned = settings.conditioning is not None
        self.seed_draws()

    def phases(self, schedule: SearchSchedule) -> tuple[Phase, ...]:
        """One: the paper learns weights and structure at once, on the same images."""
        kernels, logits = list(self.network.parameters()), list(self.choices.parameters())
        adam = torch.optim.Adam(
            logits,
            lr=schedule.architecture_learning_rate,
            betas=schedule.architecture_betas,
            weight_decay=schedule.architecture_weight_decay,
        )
        return (
            Phase(
                name="one_level",
                split="kernels",
                learns=frozenset({"kernels", "architecture"}),
                parameters=[*kernels, *logits],
                optimizers=[*kernel_optimizers(kernels, schedule.kernel_optimizer, schedule.kernel_rate), adam],
            ),
        )

    def forward(self, noisy_BCHW: Tensor, sigma_B: Tensor | None) -> Tensor:
        """Denoise with a fresh sample of all slices."""
        shares: list[Tensor] = self.sampled_shares()  # pyright: ignore  (the decorator's types are unknown)
        return self._restored(noisy_BCHW, sigma_B, shares)

    def forward_single(self, noisy_BCHW: Tensor, sigma_B: Tensor | None, description: SpaceDescription) -> Tensor:
        """Denoise with one slice of every superkernel."""
        slices = own(description, NetworkDescription).slices
        shares = [choice.share_of(slice_) for choice, slice_ in zip(self._choices, slices, strict=True)]
        return self._restored(noisy_BCHW, sigma_B, shares)

    def _restored(self, noisy_BCHW: Tensor, sigma_B: Tensor | None, shares: Sequence[Tensor]) -> Tensor:
        names = (f"{name}.{part}.share_KF" for name, _ in self.network.dense_blocks for part in ("first", "second"))
        given = dict(zip(names, shares, strict=True))
        return functional_call(self.network, given, (noisy_BCHW, sigma_B))

    # Random numbers of the CPU do not go into a compiled graph.
    @torch.compiler.disable
    def sampled_shares(self) -> list[Tensor]:
        """A relaxed sample of every superkernel's slice, (K, F) each."""
        return [choice.share(choice.perturbation(self.generator), self.temperature) for choice in self._choices]

    def _expected_shares(self) -> list[Tensor]:
        return [choice.share(None, self.temperature) for choice in self._choices]

    @property
    def _choices(self) -> list[SliceChoice]:
        return [choice for choice in self.choices if isinstance(choice, SliceChoice)]

    def set_temperature(self, temperature: float) -> None:
        """Of the relaxed samples, and of what is expected."""
        self.temperature.fill_(temperature)

    def description(self) -> NetworkDescription:
        """The distilled network (section 4.5.5)."""
        with torch.no_grad():
            return self.settings.description([choice.decided() for choice in self._choices])

    def judged(self) -> NetworkDescription:
        """The distilled network: a sample's score would be one draw of many."""
        return self.description()

    def random_description(self, draw: Random) -> NetworkDescription:
        """Random slices."""
        return self.settings.random_description(draw)

    def inherited_network(self, description: SpaceDescription) -> nn.Module:
        """The compact network with its slices; of filters with their own logits those with the highest."""
        described = own(description, NetworkDescription)
        return inherited_network(self.network, self._choices, described, self.channels)

    def blocks_of(self, description: SpaceDescription) -> Mapping[Block, int]:
        """Counts of the compact network."""
        return blocks(own(description, NetworkDescription), self.channels)

    def expected_blocks(self) -> Mapping[Block, Tensor]:
        """Expected counts under the probabilities of slices."""
        return expected_blocks(self._expected_shares(), self.settings, self.channels)

    def halo_of(self, description: SpaceDescription) -> int:
        """Of the compact network."""
        return geometry(own(description, NetworkDescription)).halo

    def expected_halo(self) -> Tensor:
        """Expected under the probabilities of slices."""
        return expected_halo(self._expected_shares(), self.settings)

    def entropies_bits(self) -> Mapping[str, float]:
        """Means over the superkernels."""
        with torch.no_grad():
            rows = [choice.probabilities(self.temperature) for choice in self._choices]
            return {
                name: torch.stack([_entropy_bits(row[name]).mean() for row in rows]).mean().item() for name in rows[0]
            }

    def largest_entropies_bits(self) -> Mapping[str, float]:
        """Logarithms of the numbers of options, as means over the superkernels."""
        rows = [choice.probabilities(self.temperature) for choice in self._choices]
        return {name: sum(math.log2(row[name].shape[-1]) for row in rows) / len(rows) for name in rows[0]}


def _entropy_bits(probabilities: Tensor) -> Tensor:
    return -(probabilities * probabilities.clamp_min(1e-30).log2()).sum(-1)


@torch.no_grad()
def inherited_network(
    supernet: SuperkernelNetwork, choices: Sequence[SliceChoice], description: NetworkDescription, channels: int
) -> SuperkernelNetwork:
    """The described network with the supernet's kernels: of every superkernel the slice that its description names."""
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

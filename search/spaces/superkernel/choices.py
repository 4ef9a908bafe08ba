"""How a superkernel's slice is distributed: logits, relaxed samples of them, and what they decide.

Shapes: K kernel sizes, N numbers of filters to choose from, F filters, L length of a key vector.
A share (K, F) says how much of each filter comes from each kernel size; see `superkernel.py`.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from ...learning.draws import gumbel_like
from .relaxation import logistic_like, sigmoid, softmax
from .search_settings import Settings
from .space import Kernel, Slice

_KEPT_ABOVE = 0.5
"""Logit of a filter that stays (section 4.5.5)."""
_FIRST_LOGIT = 1.0
"""Of every filter: kept until the search finds that it does not pay."""


class SliceChoice(nn.Module, ABC):
    """The logits of one superkernel."""

    def __init__(self, kernels: Sequence[Kernel], filters: int) -> None:
        super().__init__()
        self.kernels = tuple(kernels)
        self.filters = filters

    @abstractmethod
    def perturbation(self, generator: torch.Generator) -> tuple[Tensor, ...]:
        """Random numbers that, added to the logits, make a relaxed sample of a distribution: one for each part.

        Gumbel's for a softmax part, logistic ones for Bernoulli's (the paper's reference 17).
        """

    @abstractmethod
    def share(self, added: tuple[Tensor, ...] | None, temperature: Tensor) -> Tensor:
        """(K, F): a sample with what `perturbation` gave; None: the expectation at this temperature."""

    @abstractmethod
    def decided(self) -> Slice:
        """The most probable size and number; of filters with their own logits those above 0.5, at least one."""

    @abstractmethod
    def kept(self, filters: int) -> Tensor:
        """(filters,) ascending indices of the filters that a slice of so many has."""

    @abstractmethod
    def probabilities(self, temperature: Tensor) -> Mapping[str, Tensor]:
        """By the kind of choice: (..., options), each row summing to 1."""

    def share_of(self, chosen: Slice) -> Tensor:
        """(K, F) of one slice alone."""
        device = next(self.parameters()).device
        share = torch.zeros(len(self.kernels), self.filters, device=device)
        share[self.kernels.index(chosen.kernel), self.kept(chosen.filters)] = 1
        return share


class _FirstFilters(SliceChoice):
    """A slice of f filters has the first f."""

    steps_NF: Tensor

    def __init__(self, kernels: Sequence[Kernel], counts: Sequence[int]) -> None:
        super().__init__(kernels, counts[-1])
        self.counts = tuple(counts)
        steps = torch.arange(counts[-1]) < torch.tensor(counts)[:, None]
        self.register_buffer("steps_NF", steps.float(), persistent=False)

    def kept(self, filters: int) -> Tensor:
        """The first ones."""
        return torch.arange(filters, device=self.steps_NF.device)


class JointChoice(_FirstFilters):
    """A logit for each pair of kernel size and number of filters (section 4.1)."""

    def __init__(self, kernels: Sequence[Kernel], counts: Sequence[int]) -> None:
        super().__init__(kernels, counts)
        self.pairs_KN = _logits(len(kernels), len(counts))

    def perturbation(self, generator: torch.Generator) -> tuple[Tensor, ...]:
        """One Gumbel number for each pair."""
        return (gumbel_like(self.pairs_KN, generator),)

    def share(self, added: tuple[Tensor, ...] | None, temperature: Tensor) -> Tensor:
        """Weights of pairs, summed over the numbers that a filter belongs to."""
        weights_KN = softmax(self.pairs_KN, None if added is None else added[0], temperature)
        return (weights_KN[:, :, None] * self.steps_NF).sum(1)

    def decided(self) -> Slice:
        """The most probable pair."""
        kernel, count = divmod(int(self.pairs_KN.argmax()), len(self.counts))
        return Slice(kernel=self.kernels[kernel], filters=self.counts[count])

    def probabilities(self, temperature: Tensor) -> Mapping[str, Tensor]:
        """Of the pairs."""
        return {"slice": softmax(self.pairs_KN, None, temperature).flatten()}


class FactorizedChoice(_FirstFilters):
    """A logit for each kernel size and one for each number of filters (section 4.2)."""

    def __init__(self, kernels: Sequence[Kernel], counts: Sequence[int]) -> None:
        super().__init__(kernels, counts)
        self.sizes_K, self.numbers_N = _logits(len(kernels)), _logits(len(counts))

    def perturbation(self, generator: torch.Generator) -> tuple[Tensor, ...]:
        """Gumbel numbers for the sizes, and for the numbers of filters."""
        return gumbel_like(self.sizes_K, generator), gumbel_like(self.numbers_N, generator)

    def share(self, added: tuple[Tensor, ...] | None, temperature: Tensor) -> Tensor:
        """Weights of sizes times those of filters."""
        sizes, numbers = added or (None, None)
        filters_F = (softmax(self.numbers_N, numbers, temperature)[:, None] * self.steps_NF).sum(0)
        return softmax(self.sizes_K, sizes, temperature)[:, None] * filters_F

    def decided(self) -> Slice:
        """The most probable size and number."""
        return Slice(kernel=self.kernels[int(self.sizes_K.argmax())], filters=self.counts[int(self.numbers_N.argmax())])

    def probabilities(self, temperature: Tensor) -> Mapping[str, Tensor]:
        """Of the sizes and of the numbers."""
        return {
            "kernel": softmax(self.sizes_K, None, temperature),
            "filters": softmax(self.numbers_N, None, temperature),
        }


class FilterwiseChoice(SliceChoice):
    """A logit for each kernel size and one for each filter to stay (section 4.3)."""

    def __init__(self, kernels: Sequence[Kernel], filters: int) -> None:
        super().__init__(kernels, filters)
        self.sizes_K = _logits(len(kernels))
        self.base_F = nn.Parameter(_FIRST_LOGIT + 1e-3 * torch.randn(filters))

    def filter_logits(self) -> Tensor:
        """(F,)."""
        return self.base_F

    def perturbation(self, generator: torch.Generator) -> tuple[Tensor, ...]:
        """Gumbel numbers for the sizes, logistic ones for the filters."""
        return gumbel_like(self.sizes_K, generator), logistic_like(self.base_F, generator)

    def share(self, added: tuple[Tensor, ...] | None, temperature: Tensor) -> Tensor:
        """Weights of sizes times those of filters."""
        sizes, filters = added or (None, None)
        return softmax(self.sizes_K, sizes, temperature)[:, None] * self._staying(filters, temperature)

    def decided(self) -> Slice:
        """The most probable size, and the filters whose logit is above 0.5."""
        count = max(1, int((self.filter_logits() > _KEPT_ABOVE).sum()))
        return Slice(kernel=self.kernels[int(self.sizes_K.argmax())], filters=count)

    def kept(self, filters: int) -> Tensor:
        """Those with the highest logits; of `decided` exactly those above 0.5."""
        order = self.filter_logits().detach().argsort(descending=True, stable=True)
        return order[:filters].sort().values

    def probabilities(self, temperature: Tensor) -> Mapping[str, Tensor]:
        """Of the sizes, and of each filter to stay or not."""
        stays = self._staying(None, temperature)
        return {
            "kernel": softmax(self.sizes_K, None, temperature),
            "filters": torch.stack([stays, 1 - stays], dim=-1),
        }

    def _staying(self, added: Tensor | None, temperature: Tensor) -> Tensor:
        return sigmoid(self.filter_logits(), added, temperature)


class AttentiveChoice(FilterwiseChoice):
    """As filterwise, each filter's logit being a mean of all, weighted by how alike their keys are (section 4.4)."""

    def __init__(self, kernels: Sequence[Kernel], filters: int, key_length: int) -> None:
        super().__init__(kernels, filters)
        self.keys_FL = nn.Parameter(torch.randn(filters, key_length))

    def filter_logits(self) -> Tensor:
        """(F,) softmax(V V^T) b (eq. 1)."""
        # Sums of products: a matrix product would be rounded under autocast.
        alike_FF = (self.keys_FL[:, None] * self.keys_FL[None]).sum(-1)
        return (alike_FF.softmax(-1) * self.base_F).sum(-1)


def slice_choices(settings: Settings) -> list[SliceChoice]:
    """One for each superkernel of the base net, in the order of the data."""
    return [_slice_choice(settings, level) for level in settings.slice_levels]


def _slice_choice(settings: Settings, level: int) -> SliceChoice:
    counts = settings.filter_counts(level)
    match settings.choice:
        case "joint":
            return JointChoice(settings.kernels, counts)
        case "factorized":
            return FactorizedChoice(settings.kernels, counts)
        case "filterwise":
            return FilterwiseChoice(settings.kernels, counts[-1])
        case "filterwise_attention":
            return AttentiveChoice(settings.kernels, counts[-1], settings.key_length)


def _logits(*shape: int) -> nn.Parameter:
    return nn.Parameter(1e-3 * torch.randn(shape))

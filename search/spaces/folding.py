"""Layers that learn in one form and run in another, cheaper one."""

from abc import ABC, abstractmethod

from torch import nn


class Foldable(nn.Module, ABC):
    """A layer that the export replaces by what `folded` gives."""

    @abstractmethod
    def folded(self) -> nn.Module:
        """A layer of its own that computes the same function with fewer operations."""

"""What every search space offers the rest of the program.

A space is one folder with a class that derives from `Space`, and one line in `registry.py`.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING

from ..learning.choices import Method, Mixture
from .diagram import Diagram
from .interface import Geometry, Pricing, SpaceDescription, SpaceSettings, TaskDescription

if TYPE_CHECKING:
    from torch import nn

    from .searcher import Searcher
    from .single_path import SinglePathSupernet


@dataclass(frozen=True, kw_only=True)
class PresetValues:
    """Values of the space's settings and of the schedules; what is left out has its default."""

    settings: Mapping[str, object] = field(default_factory=dict)
    schedule: Mapping[str, object] = field(default_factory=dict)
    halving: Mapping[str, object] = field(default_factory=dict)
    supernet: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Preset(PresetValues):
    """Values under one name."""

    about: str
    """One line for the help."""
    for_tasks: Mapping[str, PresetValues] = field(default_factory=dict)
    """By a task's name: what is different for it."""

    def values_for(self, task: str) -> PresetValues:
        """The values for a task of this name."""
        own = self.for_tasks.get(task, PresetValues())
        return PresetValues(
            settings={**self.settings, **own.settings},
            schedule={**self.schedule, **own.schedule},
            halving={**self.halving, **own.halving},
            supernet={**self.supernet, **own.supernet},
        )


class Space(ABC):
    """A search space. Importing its module must not import torch; `network` and `searcher` do when they are called."""

    name: str
    """As in a genotype's `space`."""
    description_type: type[SpaceDescription]
    settings_type: type[SpaceSettings]
    presets: Mapping[str, Preset]
    """`fast`, the default, first; `paper`, as published, where there is a paper; and more."""
    enlarges: bool = False
    """Whether its networks can be made for tasks whose output is larger than their input."""
    mixtures: tuple[Mixture, ...] = ("softmax",)
    """How its supernet can mix the candidates of a choice while it learns."""
    chooses_skips: bool = False
    """Whether skips are among the candidates, and its supernet can leave them out."""
    methods: tuple[Method, ...] = ("halving",)
    """Those of hinas-search's methods that the space offers what they need, the usual one first; never none."""

    @abstractmethod
    def geometry(self, description: SpaceDescription, task: TaskDescription) -> Geometry:
        """The exact halo and alignment of a described network: computed, not probed."""

    @abstractmethod
    def network(self, description: SpaceDescription, task: TaskDescription) -> "nn.Module":
        """The compact network with fresh weights: called with a degraded batch and, if conditioned, its strengths."""

    def searcher(self, settings: SpaceSettings, task: TaskDescription) -> "Searcher":
        """The supernet of a search with its architecture, freshly initialised; TypeError where there is none yet."""
        raise TypeError(f"{type(self).__name__} has no searcher")

    def single_path_supernet(self, settings: SpaceSettings, task: TaskDescription) -> "SinglePathSupernet":
        """All networks of a search with shared kernels, freshly initialised; TypeError where there is none."""
        raise TypeError(f"{type(self).__name__} has no single-path supernet")

    @abstractmethod
    def random(self, settings: SpaceSettings, draw: Random) -> SpaceDescription:
        """A network of the space, every choice drawn evenly."""

    @abstractmethod
    def diagram(self, description: SpaceDescription) -> Diagram:
        """What there is to draw of a described network."""

    @property
    def pricing(self) -> Pricing | None:
        """How networks are priced by their blocks; None: the space has no latency table."""
        return None

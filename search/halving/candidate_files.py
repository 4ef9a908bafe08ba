"""Where a search keeps each of its networks."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class CandidateFiles:
    """The folder `networks` of a search."""

    out: Path
    """The folder of the search."""

    @property
    def list_of_candidates(self) -> Path:
        """Who takes part, and what the search was."""
        return self.out / "networks.json"

    @property
    def scores_of_evolution(self) -> Path:
        """With shared kernels, as long as an evolution goes on."""
        return self.out / "evolution.json"

    def make_folder(self) -> None:
        """Make it where it is missing."""
        (self.out / "networks").mkdir(exist_ok=True)

    def genotype(self, number: int) -> Path:
        """What the network is."""
        return self.out / "networks" / f"{number:03d}.json"

    def checkpoint(self, number: int) -> Path:
        """Its training."""
        return self.out / "networks" / f"{number:03d}.pt"

    def weights(self, number: int) -> Path:
        """Its averaged weights at the end of its last round."""
        return self.out / "networks" / f"{number:03d}.safetensors"

    def log(self, number: int) -> Path:
        """The folder of its curves, where they are logged."""
        return self.out / "tensorboard" / f"network-{number:03d}"

    def inherited(self, number: int) -> Path:
        """The weights that its training begins with, where it has inherited some."""
        return self.out / "networks" / f"{number:03d}.inherited.safetensors"

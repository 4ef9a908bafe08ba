"""What searches and trainings compute on, as a person asks for it. No torch."""

from dataclasses import dataclass

from .choices import Convolutions, PrecisionChoice


@dataclass(frozen=True, kw_only=True)
class Computing:
    """The device and how it is used."""

    device: str = "auto"
    """auto, cpu, cuda or cuda:N."""
    precision: PrecisionChoice = "auto"
    threads: int | None = None
    """Of the CPU; None: as torch chooses."""
    compiled: bool | None = None
    """Compile and graph the steps; None: on CUDA only."""

    convolutions: Convolutions = "direct"
    """winograd: in fp32 on the CPU only."""

    def compiles_on(self, device_type: str) -> bool:
        """Whether steps are compiled on a device of this type."""
        return device_type == "cuda" if self.compiled is None else self.compiled

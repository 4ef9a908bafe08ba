"""What a person asks of hinas-train, as one validated value. No torch."""

from dataclasses import dataclass
from pathlib import Path

from ..learning.choices import LogFormat
from ..learning.computing import Computing
from ..tasks.interface import TaskOptions
from .training_settings import TrainingSettings


@dataclass(frozen=True, kw_only=True)
class TrainRequest:
    """Everything hinas-train needs; paths as given."""

    genotype: Path
    images: Path
    out: Path
    task: TaskOptions
    """Its scale comes from the genotype."""
    settings: TrainingSettings
    """Its precision is decided on the device."""
    computing: Computing
    validation: Path | None
    """Images to validate on; None: every 50th training image is held out."""
    degraded: Path | None = None
    """The same pictures with their degradation, by the same names; None: the task simulates it."""
    teacher: Path | None = None
    """A genotype with weights beside it, or a bundled name, whose output is learnt too."""
    teacher_share: float | None = None
    """Of the teacher's output in what is learnt, above 0 and at most 1; None: the usual one."""
    start_from: Path | None
    """Weights to begin with, of the same genotype; None: random ones."""
    warm_start: Path | None = None
    """Weights of another network to begin with, as far as names and shapes agree."""
    resume: bool
    max_minutes: float | None
    quiet: bool
    log: LogFormat | None = None
    """Where the curves go besides history.csv."""

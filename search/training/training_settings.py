"""What decides the result of a training. No torch."""

from dataclasses import dataclass

from ..learning.choices import Arithmetic, PixelLoss, RateCurve, TrainingOptimizer

USUAL_RATES = {"muon": 5e-3, "soap": 5e-3, "adam": 1e-3, "sgd": 0.05}
"""Highest learning rate of each optimizer where none is given."""

USUAL_WEIGHT_DECAYS = {"muon": 0.3, "soap": 0.3, "adam": 0.0, "sgd": 3e-4}
"""Of each optimizer where none is given; SGD's is that of HiNAS."""

USUAL_TEACHER_SHARE = 0.6
"""Of a teacher's output in what is learnt."""

USUAL_ITERATIONS = 400_000
"""Where neither a number nor a time is given."""


@dataclass(frozen=True, kw_only=True)
class TrainingSettings:
    """Everything that decides the result of a training, for one initial network, one task and one set of images."""

    iterations: int | None = USUAL_ITERATIONS
    """None: as many as the time allows, with a learning rate that follows the time."""
    batch: int = 24
    crop: int = 64
    """Side of a square patch in pixels, a multiple of the network's stride."""
    optimizer: TrainingOptimizer = "muon"
    learning_rate: float = 2e-3
    weight_decay: float = 0.0
    """Every step shrinks the weights by the learning rate times this. For Muon and SOAP only the kernels count."""
    warmup: int = 500
    """Iterations over which the learning rate rises from 0; by the clock at most a twentieth of the time."""
    schedule: RateCurve = "cosine"
    pixel_loss: PixelLoss = "l1"
    ssim_weight: float = 0.0
    """lambda of lambda * log10(1 / SSIM); the papers use 0.5 and 0.6, 0 leaves the term out."""
    gradient_clip: float = 5.0
    """Largest L2 norm of the gradient."""
    ema_decay: float = 0.999
    seed: int = 0
    precision: Arithmetic = "fp32"
    validation_every: int = 2000
    log_every: int = 100

"""The schedule of a search: everything that decides its result beside the space, the task and the images. No torch."""

from typing import Annotated

from pydantic import Field

from ..learning.choices import KernelOptimizer, Mixture, PixelLoss
from .interface import Frozen

_RATES = {"sgd": 0.025, "adam": 0.005, "muon": 0.04}
"""Usual learning rates of the kernels; SGD's is the paper's."""

Positive = Annotated[int, Field(ge=1)]
NotNegative = Annotated[float, Field(ge=0)]
Share = Annotated[float, Field(ge=0, lt=1)]


class SearchSchedule(Frozen):
    """How a search runs. The defaults are the paper's (HiNAS v2, section 4.1)."""

    epochs: Positive = 100
    steps: Positive | None = None
    """Steps an epoch; None: one pass over the split W."""
    batch: Positive = 8
    crop: Annotated[int, Field(ge=16)] = 64
    """Side of a square patch of clean pixels."""
    warm_up_epochs: Annotated[int, Field(ge=0)] | None = None
    """Epochs in which only kernels learn; None: a fifth of all."""
    validate_from_epoch: Positive | None = None
    """First epoch judged on the split V; None: after 60 % of all."""
    pixel_loss: PixelLoss = "mse"
    ssim_weight: NotNegative = 0.6
    """lambda of lambda * log10(1 / SSIM); 0: the pixel loss alone."""
    gradient_clip: Annotated[float, Field(gt=0)] = 5.0
    """Largest L2 norm of a phase's gradient."""
    kernel_optimizer: KernelOptimizer = "sgd"
    kernel_learning_rate: NotNegative | None = None
    """At first; a cosine takes it down to a 25th. None: 0.025 for sgd, 0.005 for adam, 0.04 for muon."""
    architecture_learning_rate: NotNegative = 1e-3
    """Of Adam."""
    architecture_betas: tuple[Share, Share] = (0.9, 0.999)
    """Of Adam: the decay of the mean gradient and of its mean square."""
    architecture_weight_decay: NotNegative = 1e-3
    """The paper's. Alpha's gradients are so small that it keeps alpha near 0; 0 lets the search decide more."""
    final_temperature: Annotated[float, Field(ge=0.001, le=1)] = 1.0
    """Of the softmaxes over the architecture in the last epoch; from 1 after the warm-up it falls by a constant factor.

    The paper's is 1 throughout. Below it the supernet, and the latency expected of it, come close to the network that
    will be read off it.
    """
    mixture: Mixture = "softmax"
    """`softmax` computes all candidates of every choice, as the papers do; `sampled` in each step one drawn network."""
    skip_dropout: Share = 0.0
    """How often a skip is left out in the first epoch; it falls evenly to 0 in the last. 0: never, as in the papers."""
    samples: Positive = 30
    """Networks that random search compares."""

    @property
    def warm_up(self) -> int:
        """Epochs in which only kernels learn."""
        return self.epochs // 5 if self.warm_up_epochs is None else self.warm_up_epochs

    @property
    def validate_from(self) -> int:
        """First epoch judged, counted from 1."""
        first = self.epochs * 3 // 5 + 1 if self.validate_from_epoch is None else self.validate_from_epoch
        return min(first, self.epochs)

    @property
    def kernel_rate(self) -> float:
        """The kernels' learning rate at first."""
        return _RATES[self.kernel_optimizer] if self.kernel_learning_rate is None else self.kernel_learning_rate

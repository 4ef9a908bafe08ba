"""What a person chooses by name for searches and trainings. Standard library only, so that commands start quickly."""

from typing import Literal

PixelLoss = Literal["l1", "mse", "mse-by-level", "psnr"]
"""Mean absolute error or mean squared error; or of each patch the squared error divided by its level, or its logarithm.

Strong noise makes nearly all of the squared error; by the last two a decibel counts about as much at every level.
"""

TrainingOptimizer = Literal["muon", "soap", "adam", "sgd"]
"""Of a compact network; `muon` and `soap` take the dense kernels and leave the rest to Adam."""

KernelOptimizer = Literal["sgd", "adam", "muon"]
"""Of a supernet: `sgd` is the paper's; where steps are few `adam` learns faster, `muon` fastest."""

Mixture = Literal["softmax", "sampled"]
"""What a supernet computes of the candidates of a choice while it learns.

`softmax` computes all, weighted by their probabilities. `sampled` draws one by its probability and computes it alone.
"""

RateCurve = Literal["cosine", "trapezoid", "constant"]
"""How a training's learning rate falls to 0: along a cosine; constant until the last fifth, then a line; or never.

A trapezoid's constant part can be resumed with more iterations without having wasted any.
"""

Method = Literal["gradient", "random", "halving", "supernet"]
"""How a search finds a network.

`gradient` learns the architecture. `random` is RSWS: random networks share kernels, the best of a sample wins.
`halving` trains many random networks shortly and goes on with the best of them. `supernet` trains all networks in one,
lets them evolve by their scores with the shared kernels, and goes on with the best few.
"""

Arithmetic = Literal["fp32", "bf16"]
"""What convolutions are computed in."""

Convolutions = Literal["direct", "winograd"]
"""How a training computes convolutions: as torch does, or those of 3x3 by Winograd's algorithm."""

PrecisionChoice = Literal["auto", "fp32", "bf16"]
"""`auto` is bf16 where the device computes in it, else fp32."""

LogFormat = Literal["tensorboard"]
"""Where a run's curves go besides history.csv."""

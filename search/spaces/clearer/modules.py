"""The parts of a CLEARER network: bottleneck blocks, the two kinds of modules, the transition to one branch more.

The supernet and the compact network are built of the same classes and differ in their norm. Branches are a list of
maps, branch b with width * 2 ** b channels at 1 / 2 ** b of the resolution. Shapes: B batch, F features, H, W size.
"""

from collections.abc import Callable, Sequence

from torch import Tensor, nn
from torch.nn import functional as F

from .space import Module, Stem

Norm = Callable[[int], nn.Module] | None
"""Makes the norm behind a convolution of so many channels; None: the convolution has a bias in its place."""

Branches = list[Tensor]


class Bottleneck(nn.Module):
    """1x1, 3x3 and 1x1 convolutions beside the input, which a 1x1 convolution brings to their channels if need be."""

    def __init__(self, in_channels: int, stem: Stem, norm: Norm) -> None:
        super().__init__()
        out_channels = stem.channels * stem.expansion
        self.first = convolution(in_channels, stem.channels, 1, norm=norm)
        self.middle = convolution(stem.channels, stem.channels, 3, norm=norm)
        self.last = convolution(stem.channels, out_channels, 1, norm=norm)
        widens = in_channels != out_channels
        self.shortcut = convolution(in_channels, out_channels, 1, norm=norm) if widens else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """(B, in, H, W) -> (B, channels * expansion, H, W)."""
        inner = self.middle(F.relu(self.first(x)))
        return F.relu(self.last(F.relu(inner)) + self.shortcut(x))


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions beside their input."""

    def __init__(self, width: int, norm: Norm) -> None:
        super().__init__()
        self.first = convolution(width, width, 3, norm=norm)
        self.last = convolution(width, width, 3, norm=norm)

    def forward(self, x: Tensor) -> Tensor:
        """(B, F, H, W) -> (B, F, H, W)."""
        return F.relu(self.last(F.relu(self.first(x))) + x)


class ParallelModule(nn.Module):
    """A residual block on every branch."""

    def __init__(self, widths: Sequence[int], norm: Norm) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(ResidualBlock(width, norm) for width in widths)

    def forward(self, branches: Branches) -> Branches:
        """Each branch by itself."""
        return [block(x) for block, x in zip(self.blocks, branches, strict=True)]


class Reception(nn.Module):
    """One branch receives all branches: its own features as they are, the others at its width and resolution."""

    def __init__(self, widths: Sequence[int], branch: int, norm: Norm) -> None:
        super().__init__()
        self.branch = branch
        self.ways = nn.ModuleList(_way(widths, source, branch, norm) for source in range(len(widths)))

    def forward(self, branches: Branches) -> Tensor:
        """The sum of what all branches send, (B, F, H, W) of this branch."""
        total = branches[self.branch]
        for source, (way, x) in enumerate(zip(self.ways, branches, strict=True)):
            if source != self.branch:
                total = total + way(x)
        return F.relu(total)


class FusionModule(nn.Module):
    """Every branch receives all branches."""

    def __init__(self, widths: Sequence[int], norm: Norm) -> None:
        super().__init__()
        self.receptions = nn.ModuleList(Reception(widths, branch, norm) for branch in range(len(widths)))

    def forward(self, branches: Branches) -> Branches:
        """Each branch from all of them."""
        return [reception(branches) for reception in self.receptions]


class Transition(nn.Module):
    """One branch more, from the last one by a 3x3 convolution of stride 2; of the stem's map two branches."""

    def __init__(self, in_channels: int, widths: Sequence[int], norm: Norm) -> None:
        super().__init__()
        is_first = len(widths) == 2
        self.kept = convolution(in_channels, widths[0], 3, norm=norm) if is_first else None
        self.opened = convolution(in_channels, widths[-1], 3, norm=norm, stride=2)

    def forward(self, branches: Branches) -> Branches:
        """The branches and a new one."""
        kept = branches if self.kept is None else [F.relu(self.kept(branches[0]))]
        return [*kept, F.relu(self.opened(branches[-1]))]


def module_of(kind: Module, widths: Sequence[int], norm: Norm) -> nn.Module:
    """A module on branches of these widths."""
    return ParallelModule(widths, norm) if kind == "parallel" else FusionModule(widths, norm)


def convolution(in_channels: int, channels: int, kernel: int, *, norm: Norm, stride: int = 1) -> nn.Sequential:
    """A convolution and its norm, centred on every `stride`th pixel."""
    plain = nn.Conv2d(in_channels, channels, kernel, stride=stride, padding=kernel // 2, bias=norm is None)
    return nn.Sequential(plain) if norm is None else nn.Sequential(plain, norm(channels))


def _way(widths: Sequence[int], source: int, target: int, norm: Norm) -> nn.Module:
    """From one branch to another: 1x1 and each pixel repeated, or 3x3 convolutions of stride 2, a ReLU between two."""
    if source > target:
        # The convolution comes first: there are fewer pixels then.
        up = nn.Upsample(scale_factor=float(2 ** (source - target)), mode="nearest")
        return nn.Sequential(*convolution(widths[source], widths[target], 1, norm=norm), up)
    layers: list[nn.Module] = []
    for number in range(source, target):
        is_last = number == target - 1
        out_channels = widths[target] if is_last else widths[source]
        layers += [*convolution(widths[source], out_channels, 3, norm=norm, stride=2), nn.ReLU()]
    return nn.Sequential(*layers[:-1])

"""A trained network that another one learns from."""

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from ...errors import UserError
from ...network_input import NetworkInput
from ..bundled_genotypes import genotype_file, weights_beside
from ..genotype import read_genotype
from ..learning.weights import load_weights
from .training_settings import USUAL_TEACHER_SHARE


@dataclass(frozen=True, kw_only=True)
class Teacher:
    """A network whose output is learnt, mixed with the clean images.

    The clean image holds what no network can know, which makes gradients noisy; the teacher's output holds its
    mistakes. Of a mixture with the share s of the teacher the noise has 1 - s of its size, and the mistakes have s.
    """

    identity: str
    """Its genotype's."""
    network: nn.Module
    """Trained, in evaluation mode, without gradients."""
    given: NetworkInput
    share: float = USUAL_TEACHER_SHARE
    """Of its output in what is learnt, above 0 and at most 1."""

    def lesson(self, clean_BCHW: Tensor, degraded_BCHW: Tensor, level_B: Tensor | None, *, turns: int = 0) -> Tensor:
        """What is learnt of a batch: `share` of the teacher's `output`, the rest of the clean images."""
        return torch.lerp(clean_BCHW, self.output(degraded_BCHW, level_B, turns=turns), self.share)

    @torch.no_grad()
    def output(self, degraded_BCHW: Tensor, level_B: Tensor | None, *, turns: int = 0) -> Tensor:
        """What it makes of a batch; (B, C, scale * H, scale * W) float32, not clipped.

        The batch is turned by `turns` * 90 degrees for it, and its output back. A learner that sees all directions
        learns their mean, which is better than each (Timofte et al., CVPR 2016, arXiv 1511.02228).
        """
        given = [torch.rot90(degraded_BCHW, turns, (2, 3)).contiguous(memory_format=torch.channels_last)]
        if self.given.conditioned:
            assert level_B is not None
            given.append(level_B)
        return torch.rot90(self.network(*given).float(), -turns, (2, 3))


def opened_teacher(
    genotype: Path,
    learner: NetworkInput,
    task: str,
    *,
    crop: int,
    device: torch.device,
    share: float = USUAL_TEACHER_SHARE,
) -> Teacher:
    """The network of a genotype with the weights beside it, or of a bundled name.

    UserError where it has none, or where it does not take and return what the learner does.
    """
    file = genotype_file(genotype)
    found = read_genotype(file)
    given = found.network_input
    if (found.task.name, given.channels, given.scale) != (task, learner.channels, learner.scale):
        raise UserError(
            f"--teacher {genotype}: for {found.task.name}, {given.channels} channels, scale {given.scale}; "
            f"expected {task}, {learner.channels} channels, scale {learner.scale}"
        )
    if given.conditioned and not learner.conditioned:
        raise UserError(f"--teacher {genotype}: conditioned on a strength, which this training does not have")
    if crop % given.picture_multiple:
        raise UserError(f"--crop: got {crop}, expected a multiple of {given.picture_multiple}, the teacher's")
    weights = weights_beside(file)
    if weights is None:
        raise UserError(f"--teacher {genotype}: no weights beside it, such as {file.with_suffix('.safetensors')}")
    network = found.built()
    load_weights(network, weights, identity=found.identity)
    network = network.to(device).to(memory_format=torch.channels_last).eval()  # pyright: ignore[reportCallIssue]
    return Teacher(identity=found.identity, network=network.requires_grad_(False), given=given, share=share)

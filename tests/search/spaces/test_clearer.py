"""The CLEARER space: what a description may say, what its networks are made of, how far they see."""

import json
from random import Random
from typing import Any

import numpy as np
import pytest
import torch
from hinas.errors import UserError
from hinas.export.checks.check_numerics import probed_halo
from hinas.export.graph.onnx_from_network import with_folded_batchnorm
from hinas.search.genotype import Genotype, genotype_from_json
from hinas.search.search_command import app
from hinas.search.spaces.diagram import GraphDiagram
from hinas.search.spaces.interface import TaskDescription
from hinas.search.spaces.registry import space_named, space_settings
from torch import Tensor, nn
from torch.nn import functional as F
from typer.testing import CliRunner

CLEARER = space_named("clearer")
GREY = TaskDescription(channels=1)
SMALL: Any = {"width": 3, "stem": {"resolution": "full", "blocks": 1, "channels": 2, "expansion": 2}}
STAGES: dict[str, Any] = {
    "fusion alone": [["fusion", "fusion"], ["fusion"]],
    "parallel alone": [["parallel", "parallel"], ["parallel"]],
    "fusion first": [["fusion", "parallel"], ["fusion", "parallel"], ["parallel"]],
    "fusion last": [["parallel", "fusion"], ["parallel", "fusion"]],
    "two branches": [["parallel", "fusion"]],
}


def _genotype(**network: Any) -> Genotype:
    document = {"format": "hinas-genotype", "version": 1, "space": "clearer", "task": {"channels": 1}}
    return genotype_from_json(json.dumps(document | {"network": SMALL | network}))


@pytest.mark.parametrize("resolution", ["full", "half"])
@pytest.mark.parametrize("normalisation", ["batch", "none"])
@pytest.mark.parametrize("stages", STAGES.values(), ids=STAGES)
def test_the_computed_halo_is_the_probed_one(stages: Any, normalisation: str, resolution: str) -> None:
    stem = SMALL["stem"] | {"resolution": resolution, "blocks": 2}
    genotype = _genotype(stages=stages, stem=stem, normalisation=normalisation)
    stride = 2 if resolution == "half" else 1
    assert genotype.geometry.alignment == stride * 2 ** len(stages)
    network = with_folded_batchnorm(genotype.built().eval())
    assert probed_halo(network, genotype.network_input, halo=genotype.geometry.halo) == genotype.geometry.halo


def test_the_published_network_has_the_published_shape() -> None:
    settings: Any = space_settings("clearer", dict(CLEARER.presets["paper"].settings))
    description: Any = CLEARER.random(settings, Random(0))
    assert [len(stage) for stage in description.stages] == [4, 4, 4]
    assert description.widths == (32, 64, 128, 256) and description.strides == (1, 2, 4, 8)
    assert description.conditioning_range is None and not description.residual
    searcher: Any = CLEARER.searcher(settings, GREY)
    assert searcher.logits.numel() == 12 * 2
    # One module of stage 4: two 3x3 convolutions on each branch, or a way from each branch to each other.
    widths = description.widths
    parallel, fusion = (
        sum(p.numel() for name, p in module.named_parameters() if p.ndim == 4)
        for module in searcher.stages[2][0].candidates
    )
    assert parallel == sum(2 * 9 * width**2 for width in widths)
    up = sum(widths[a] * widths[b] for a in range(4) for b in range(a))
    down = sum(9 * widths[a] * (widths[a] * (b - a - 1) + widths[b]) for b in range(4) for a in range(b))
    assert fusion == up + down


def _conv(x: Tensor, part: Any, stride: int = 1) -> Tensor:
    kernel = part[0].weight
    return F.conv2d(x, kernel, part[0].bias, stride=stride, padding=kernel.shape[-1] // 2)


def test_modules_compute_what_their_description_says() -> None:
    network: Any = _genotype(stages=[["parallel", "fusion"]], normalisation="none").built().double()
    for parameter in network.parameters():
        nn.init.normal_(parameter, std=0.3)
    frame, (parallel, fusion) = network.frame, network.stages[0]
    noisy = torch.rand(1, 1, 8, 12, dtype=torch.float64)
    with torch.no_grad():
        block = frame.stem[0]
        inner = _conv(F.relu(_conv(F.relu(_conv(noisy, block.first)), block.middle)), block.last)
        stem = F.relu(inner + _conv(noisy, block.shortcut))
        first = frame.transitions[0]
        high, low = F.relu(_conv(stem, first.kept)), F.relu(_conv(stem, first.opened, 2))
        assert high.shape == (1, 3, 8, 12) and low.shape == (1, 6, 4, 6)
        high, low = (
            F.relu(_conv(F.relu(_conv(x, each.first)), each.last) + x)
            for x, each in zip((high, low), parallel.blocks, strict=True)
        )
        up, down = fusion.receptions[0].ways[1], fusion.receptions[1].ways[0]
        repeated = np.kron(_conv(low, up).numpy(), np.ones((1, 1, 2, 2)))
        high, low = F.relu(high + torch.from_numpy(repeated)), F.relu(low + _conv(high, down, 2))
        repeated = np.kron(_conv(low, frame.fuse.ways[1]).numpy(), np.ones((1, 1, 2, 2)))
        expected = F.conv2d(F.relu(high + torch.from_numpy(repeated)), frame.last.weight)
        torch.testing.assert_close(network(noisy), expected)


@pytest.mark.parametrize("normalisation", ["batch", "none"])
def test_a_residual_network_begins_as_the_identity_and_learns(normalisation: str) -> None:
    stages = STAGES["fusion first"]
    network = _genotype(stages=stages, normalisation=normalisation, residual=True, conditioning={}).built()
    noisy, level = torch.rand(2, 1, 32, 32), torch.tensor([5.0, 50.0])
    output = network(noisy, level)
    torch.testing.assert_close(output, noisy)
    output.square().mean().backward()
    gradients = {name: parameter.grad for name, parameter in network.named_parameters()}
    last = gradients["frame.last.weight"]
    assert last is not None and last.abs().max() > 1e-6


def test_without_norms_a_deep_network_begins_at_the_scale_of_a_shallow_one() -> None:
    scales: list[float] = []
    for times in (1, 8):
        torch.manual_seed(0)
        stages = [["parallel", "fusion"] * times] * 3
        network = _genotype(width=8, stages=stages, normalisation="none").built().eval()
        with torch.no_grad():
            scales.append(network(torch.rand(1, 1, 32, 32)).std().item())
    assert scales[1] < 50 * scales[0]


@pytest.mark.parametrize(
    ("network", "said"),
    [
        ({"stages": [["parallel", "sideways"]]}, r"\$\.network\.stages\[0\]\[1\].*'parallel' or 'fusion'.*sideways"),
        ({"stages": []}, r"\$\.network\.stages.*at least 1"),
        ({"stages": [[]]}, r"\$\.network\.stages\[0\].*at least 1"),
        ({"stages": [["fusion"]], "depth": 3}, r"\$\.network\.depth"),
    ],
)
def test_a_wrong_description_is_refused_with_its_place(network: Any, said: str) -> None:
    with pytest.raises(UserError, match=said):
        _genotype(**network)


def test_a_drawing_shows_every_module_on_every_branch() -> None:
    genotype = _genotype(stages=[["parallel", "fusion"], ["fusion"]])
    drawn = CLEARER.diagram(genotype.network)
    assert isinstance(drawn, GraphDiagram)
    kinds = [box.kind for box in drawn.boxes]
    assert (kinds.count("parallel"), kinds.count("fusion"), kinds.count("transition")) == (2, 2 + 3, 2 + 1)
    assert len(drawn.rows) == 3
    read = {arrow.target for arrow in drawn.arrows}
    assert read == set(range(1, len(drawn.boxes))), "all but the stem read something"
    # Two of parallel, 2 x 2 and 3 x 3 of fusion, one for each transition, three to the end.
    assert len(drawn.arrows) == 2 + 4 + 9 + 3 + 3
    assert all(drawn.boxes[arrow.source].column < drawn.boxes[arrow.target].column for arrow in drawn.arrows)


def test_the_papers_schedule_is_printed(mistake: Any) -> None:
    printed = CliRunner().invoke(app, ["--space", "clearer", "--preset", "paper", "--print-space"])
    schedule = json.loads(printed.stdout)["schedule"]
    assert (schedule["epochs"], schedule["steps"], schedule["batch"], schedule["crop"]) == (200, 50, 32, 64)
    assert (schedule["architecture_learning_rate"], schedule["architecture_betas"]) == (3e-4, [0.5, 0.999])
    assert schedule["architecture_weight_decay"] == 1e-3 and schedule["ssim_weight"] == 0
    said = mistake(app, "--space", "clearer", "--print-space", "--set", "architecture_betas=0.5,1")
    assert "--set architecture_betas.1" in said

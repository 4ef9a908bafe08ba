"""The pyramid space: what a description may say, what its networks compute, how far they see."""

import json
import re
from pathlib import Path
from random import Random
from typing import Any

import pytest
import torch
from hinas.errors import UserError
from hinas.export.checks.check_numerics import probed_halo
from hinas.export.graph.onnx_from_network import with_folded_branches
from hinas.search.genotype import Genotype, genotype_from_json
from hinas.search.search_command import app
from hinas.search.spaces.folding import Foldable
from hinas.search.spaces.interface import TaskDescription
from hinas.search.spaces.registry import space_named, space_settings
from torch import Tensor, nn
from torch.nn import functional as F
from typer.testing import CliRunner

PYRAMID = space_named("pyramid")
GREY = TaskDescription(channels=1)
EVERYTHING: Any = {
    "resolutions": ["full", "half", "quarter"],
    "levels": [1, 3],
    "widths": [4, 6],
    "blocks": [1, 2],
    "middle": [1, 3],
    "kinds": ["residual", "single", "chain", "squeezed_chain", "plain"],
    "convolutions": ["3x3", "5x5", "reparameterised"],
    "downs": ["strided", "unshuffle", "max_pool"],
    "ups": ["shuffle", "transposed", "nearest"],
    "skips": ["add", "concatenate"],
}
U_NET: Any = {
    "stem": {"resolution": "half"},
    "levels": [{"width": 4, "blocks": 1, "blocks_after": 2}, {"width": 6, "blocks": 1}],
    "steps": {"skips": "concatenate"},
    "conditioning": {"range": [0, 75]},
}


def _genotype(network: Any) -> Genotype:
    document = {"format": "hinas-genotype", "version": 1, "space": "pyramid"}
    return genotype_from_json(json.dumps(document | {"task": {"channels": 1}, "network": network}))


def _random(seed: int) -> Genotype:
    network = PYRAMID.random(space_settings("pyramid", EVERYTHING), Random(seed))
    return Genotype(space="pyramid", task=GREY, network=network)


def _randomised(network: nn.Module, *, std: float = 0.1) -> nn.Module:
    torch.manual_seed(0)
    for parameter in network.parameters():
        nn.init.normal_(parameter, std=std)
    return network.double().eval()


MISTAKES = [
    ({"levels": []}, r"\$\.network\.levels: .*at least 1"),
    ({"levels": [{"width": 0, "blocks": 1}], "steps": None}, r"\$\.network\.levels\[0\]\.width: .*greater.*, got 0"),
    ({"levels": [{"width": 4, "blocks": 1, "kind": "cell"}]}, r"levels\[0\]\.kind: .*'residual', 'single'.*got \"cell"),
    ({"levels": [{"width": 4, "blocks": 1, "depth": 2}]}, r"levels\[0\]\.depth: Extra"),
    ({"levels": [{"width": 4, "blocks": 0, "kind": "chain"}]}, r"levels\[0\]: .*without blocks is of kind residual or"),
    ({"levels": [{"width": 4, "blocks": 1, "width_after": 4}]}, r"levels\[0\]: .*width_after: got 4, the width before"),
    ({"steps": None}, r"\$\.network: .*steps: missing; says how 2 are joined"),
    ({"levels": [{"width": 4, "blocks": 1}]}, r"steps: one level has none; leave it out"),
    ({"levels": [{"width": 4, "blocks": 1}, {"width": 4, "blocks": 1, "blocks_after": 1}]}, r"levels\[1\]: blocks_af"),
    ({"levels": [{"width": 4, "blocks": 1}, {"width": 4, "blocks": 0}]}, r"levels\[1\]: without blocks"),
    ({"steps": {"skips_leave": "entry"}}, r"\$\.network\.steps: .*entry goes with skips concatenate"),
    ({"steps": {"down": "average"}}, r"\$\.network\.steps\.down: .*'strided', 'unshuffle' or 'max_pool', got"),
    ({"end": {"kind": "separable"}}, r"\$\.network\.end: .*separable needs channels"),
    ({"end": {"early_channels": 4}}, r"\$\.network\.end: .*plain takes nothing from the stem"),
    ({"conditioning": {"range": [50, 5]}}, r"\$\.network\.conditioning: .*range must ascend"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "said"), MISTAKES)
def test_a_mistake_in_a_description_is_named_by_its_path(change: Any, said: str) -> None:
    with pytest.raises(UserError, match=said):
        _genotype(U_NET | change)


def test_the_document_shows_a_valid_genotype() -> None:
    text = (Path(__file__).parents[3] / "docs" / "search.md").read_text(encoding="utf-8")
    shown = re.findall(r"```json\n(.*?)```", text, re.DOTALL)
    genotypes = [genotype_from_json(block) for block in shown if '"space": "pyramid"' in block]
    assert [genotype.geometry.alignment for genotype in genotypes] == [8]


def test_added_skips_need_one_width() -> None:
    wider = {"width": 4, "blocks": 1, "blocks_after": 1, "width_after": 8}
    with pytest.raises(UserError, match=r"levels\[0\]\.width_after: added skips need one width"):
        _genotype(U_NET | {"levels": [wider, {"width": 4, "blocks": 1}], "steps": {}})
    _genotype(U_NET | {"levels": [wider, {"width": 4, "blocks": 1}]})


@pytest.mark.parametrize("seed", range(24))
def test_the_computed_halo_is_exactly_what_a_probe_finds(seed: int) -> None:
    genotype = _random(seed)
    place = genotype.geometry
    network = _randomised(genotype.built())
    assert probed_halo(network, genotype.network_input, halo=place.halo) == place.halo
    assert place.tiling == "exact"
    levels = json.loads(genotype.to_json())["network"]["levels"]
    assert place.alignment == network.stride * 2 ** (len(levels) - 1)  # type: ignore[operator]


@pytest.mark.parametrize("leave", ["exit", "entry"])
def test_the_halo_knows_where_skips_leave_and_what_the_end_takes_from_the_stem(leave: str) -> None:
    genotype = _genotype(
        U_NET
        | {
            "levels": [{"width": 4, "blocks": 0}, {"width": 6, "blocks": 2, "kind": "plain"}],
            "steps": {"skips": "concatenate", "skips_leave": leave, "up": "nearest", "down": "max_pool"},
            "end": {"kind": "separable", "channels": [5, 4], "early_channels": 3},
        }
    )
    halo = genotype.geometry.halo
    assert probed_halo(_randomised(genotype.built()), genotype.network_input, halo=halo) == halo


def _three_blocks(kind: str, x: Tensor, weights: list[tuple[Tensor, Tensor]]) -> Tensor:
    """Three blocks by their formulas."""
    taken = iter(weights)

    def conv(x: Tensor) -> Tensor:
        kernel, bias = next(taken)
        return F.conv2d(x, kernel, bias, padding=kernel.shape[-1] // 2)

    before = x
    for _ in range(3):
        match kind:
            case "residual":
                x = x + conv(F.relu(conv(x)))
            case "single":
                x = x + conv(F.relu(x))
            case "chain":
                before, x = x, conv(F.relu(x)) + before
            case "squeezed_chain":
                squeezed, kept = conv(x), conv(before)
                before, x = x, conv(F.relu(squeezed)) + kept
            case "plain":
                x = F.relu(conv(x))
    return x


@pytest.mark.parametrize("convolution", ["3x3", "5x5"])
@pytest.mark.parametrize("kind", EVERYTHING["kinds"])
def test_blocks_compute_what_their_description_says(kind: str, convolution: str) -> None:
    level = {"width": 5, "blocks": 3, "kind": kind, "convolution": convolution}
    network: Any = _randomised(_genotype({"levels": [level]}).built(), std=0.3)
    parameters = [parameter.detach() for parameter in network.runs[0].parameters()]
    x = torch.rand(2, 5, 8, 9, dtype=torch.float64)
    with torch.no_grad():
        pairs = list(zip(parameters[::2], parameters[1::2], strict=True))
        torch.testing.assert_close(network.runs[0](x), _three_blocks(kind, x, pairs))


@pytest.mark.parametrize("kind", ["single", "plain"])
def test_reparameterised_convolutions_fold_into_one_3x3(kind: str) -> None:
    levels = [
        {"width": 4, "blocks": 1, "blocks_after": 2, "kind": kind, "convolution": "reparameterised"},
        {"width": 6, "blocks": 2, "kind": kind, "convolution": "reparameterised"},
    ]
    genotype = _genotype(U_NET | {"levels": levels})
    network = _randomised(genotype.built(), std=0.3)
    folded = with_folded_branches(network)
    assert not any(isinstance(module, Foldable) for module in folded.modules())
    plain = [level | {"convolution": "3x3"} for level in levels]
    count = sum(parameter.numel() for parameter in _genotype(U_NET | {"levels": plain}).built().parameters())
    assert sum(parameter.numel() for parameter in folded.parameters()) == count
    given = (torch.rand(2, 1, 16, 12, dtype=torch.float64), torch.tensor([5.0, 50.0], dtype=torch.float64))
    with torch.no_grad():
        torch.testing.assert_close(folded(*given), network(*given))


@pytest.mark.parametrize("seed", range(8))
def test_a_residual_network_begins_as_the_identity_and_learns(seed: int) -> None:
    genotype = _random(seed)
    network = genotype.built()
    noisy, level = torch.rand(2, 1, 32, 32), torch.tensor([5.0, 50.0])
    output = network(noisy, level)
    torch.testing.assert_close(output, noisy)
    output.square().mean().backward()
    gradients = [parameter.grad for name, parameter in network.named_parameters() if name == "end.last.weight"]
    assert gradients[0] is not None and gradients[0].abs().max() > 1e-6


@pytest.mark.parametrize("convolution", ["3x3", "reparameterised"])
@pytest.mark.parametrize("kind", ["residual", "single", "chain"])
def test_blocks_start_by_adding_nothing_and_learn(kind: str, convolution: str) -> None:
    level = {"width": 8, "blocks": 3, "kind": kind, "convolution": convolution}
    network: Any = _genotype({"levels": [level]}).built()
    maps = torch.rand(1, 8, 12, 12)
    output = network.runs[0](maps)
    torch.testing.assert_close(output, maps)
    output.square().mean().backward()
    assert all(parameter.grad is not None for parameter in network.runs[0].parameters())
    assert max(float(parameter.grad.abs().max()) for parameter in network.runs[0].parameters()) > 1e-6


@pytest.mark.parametrize(("way", "others"), [("down", ("strided", "unshuffle")), ("up", ("shuffle", "transposed"))])
def test_two_ways_between_levels_compute_the_same_functions(way: str, others: tuple[str, str]) -> None:
    """One kernel, written down twice: what `--set downs` and `ups` leave to the engine."""
    dense, split = (_genotype(U_NET | {"steps": {way: other}}).built().double().eval() for other in others)
    split.load_state_dict(_randomised(dense).state_dict(), strict=False)
    with torch.no_grad():
        if way == "down":
            strided: Any = dense.downs[0]  # type: ignore[index]
            pointwise: Any = split.downs[0][1]  # type: ignore[index]
            pointwise.weight.copy_(strided.weight.reshape(pointwise.weight.shape))
            pointwise.bias.copy_(strided.bias)
        else:
            pointwise = dense.ups[0].up[0]  # type: ignore[index]
            transposed: Any = split.ups[0].up  # type: ignore[index]
            pointwise.bias.zero_()
            transposed.bias.zero_()
            transposed.weight.copy_(pointwise.weight.reshape(4, 2, 2, -1).permute(3, 0, 1, 2))
        given = (torch.rand(1, 1, 16, 16, dtype=torch.float64), torch.tensor([25.0], dtype=torch.float64))
        torch.testing.assert_close(split(*given), dense(*given))


def test_random_networks_keep_within_the_settings() -> None:
    settings = space_settings("pyramid", {"levels": [2, 3], "widths": [16, 48], "blocks": [2, 3], "middle": [5, 6]})
    seen: set[int] = set()
    for seed in range(60):
        network: Any = PYRAMID.random(settings, Random(seed))
        widths = [level.width for level in network.levels]
        seen.add(len(widths))
        assert set(widths) <= {16, 48} and widths == sorted(widths)
        assert all(level.blocks in (2, 3) and level.blocks_after in (2, 3) for level in network.levels[:-1])
        assert network.levels[-1].blocks in (5, 6)
    assert seen == {2, 3}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("levels=[3,1]", "levels: got 3 to 1"),
        ("widths=[32,16]", "widths: expected ascending, got 32, 16"),
        ("kinds=[]", "kinds: "),
        ('skips=["add","add"]', "skips: a value stands there twice"),
        ("middle=[0,2]", "a level needs a block"),
    ],
)
def test_settings_that_do_not_go_together_are_refused(mistake: Any, change: str, said: str) -> None:
    assert said in mistake(app, "--space", "pyramid", "--print-space", "--set", change)


def test_a_preset_is_printed_and_another_spaces_method_is_refused(
    mistake: Any, picture_folder: Any, tmp_path: Any
) -> None:
    printed = CliRunner().invoke(app, ["--space", "pyramid", "--preset", "stacks", "--print-space"])
    assert printed.exit_code == 0 and json.loads(printed.stdout)["settings"]["levels"] == [1, 1]
    (tmp_path / "space.json").write_text(printed.stdout)
    given = ("--out", tmp_path / "run", "--space", tmp_path / "space.json", "--method", "gradient")
    assert "--method gradient: not for the space pyramid, only for " in mistake(app, picture_folder, *given)
    assert not (tmp_path / "run").exists()

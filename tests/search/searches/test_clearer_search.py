"""The search of the CLEARER space: corners of the supernet are compact networks, losses and costs are the paper's."""

import csv
import math
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
import torch
from hinas.search.genotype import read_genotype
from hinas.search.search_command import app
from hinas.search.spaces.interface import TaskDescription
from hinas.search.spaces.registry import space_named, space_settings
from hinas.search.spaces.schedule import SearchSchedule

CLEARER = space_named("clearer")
GREY = TaskDescription(channels=1)
SMALL: Any = {
    "width": 3,
    "branches": 3,
    "modules": 2,
    "stem": {"resolution": "half", "blocks": 1, "channels": 2, "expansion": 2},
}
SIZES: dict[str, dict[str, Any]] = {
    "three branches": {},
    "two branches, three modules": {"branches": 2, "modules": 3},
    "as published, narrow": {
        "branches": 4,
        "stem": {"resolution": "full", "blocks": 2, "channels": 2, "expansion": 4},
        "residual": False,
        "conditioning": None,
    },
}


def _searcher(seed: int = 0, **changes: Any) -> Any:
    """A small supernet whose last convolution, zero at first, has weights: else all outputs would be alike."""
    torch.manual_seed(seed)
    searcher: Any = CLEARER.searcher(space_settings("clearer", SMALL | changes), GREY)
    torch.nn.init.normal_(searcher.frame.last.weight, std=0.5)
    return searcher.train()


def _decide(searcher: Any, description: Any) -> None:
    """Logits so far apart that the softmax leaves nothing of the other module."""
    with torch.no_grad():
        for stage, kinds in enumerate(description.stages):
            for place, kind in enumerate(kinds):
                searcher.logits[stage, place] = torch.tensor([200.0, 0.0] if kind == "parallel" else [0.0, 200.0])


@pytest.mark.parametrize("changes", SIZES.values(), ids=SIZES)
@pytest.mark.parametrize("seed", range(2))
def test_a_decided_supernet_is_the_compact_network_with_its_kernels(changes: Any, seed: int) -> None:
    searcher = _searcher(seed, **changes)
    for name, parameter in searcher.named_parameters():
        # Norms whose scale and shift are not those they begin with.
        if parameter.ndim == 1 and name != "logits":
            torch.nn.init.normal_(parameter, mean=1.0, std=0.3)
    description = searcher.random_description(Random(seed))
    noisy, level = torch.rand(2, 1, 32, 32), torch.tensor([30.0, 50.0]) if searcher.conditioned else None
    _decide(searcher, description)
    with torch.no_grad():
        single = searcher.forward_single(noisy, level, description)
        given = [noisy] if level is None else [noisy, level]
        torch.testing.assert_close(searcher(noisy, level), single)
        alone = searcher.inherited_network(description).train()(*given)
        torch.testing.assert_close(alone, single, atol=1e-4, rtol=1e-4)
    assert (single - noisy).abs().max() > 0.05
    assert searcher.description() == description


def test_every_kernel_and_every_logit_learns() -> None:
    searcher = _searcher()
    loss = (searcher(torch.rand(2, 1, 32, 32), torch.tensor([30.0, 50.0])) ** 2).mean()
    gradients = torch.autograd.grad(loss, list(searcher.parameters()))
    assert all(gradient.isfinite().all() for gradient in gradients)
    names = [name for name, _ in searcher.named_parameters()]
    assert (dict(zip(names, gradients, strict=True))["logits"] != 0).all()


def test_the_phases_learn_what_they_should_at_the_schedules_rates() -> None:
    searcher = _searcher()
    schedule = SearchSchedule(warm_up_epochs=7, architecture_learning_rate=3e-4, architecture_betas=(0.5, 0.999))
    architecture, kernels = searcher.phases(schedule)
    assert (architecture.split, architecture.first_epoch, kernels.split, kernels.first_epoch) == (
        "architecture", 7, "kernels", 0,
    )  # fmt: skip
    (adam,) = architecture.optimizers
    group = adam.param_groups[0]
    assert (group["lr"], group["betas"], group["weight_decay"]) == (3e-4, (0.5, 0.999), 1e-3)
    assert [id(parameter) for parameter in architecture.parameters] == [id(searcher.logits)]
    assert len(kernels.parameters) == len(list(searcher.parameters())) - 1
    assert kernels.rate_factor(0) == pytest.approx(1) and kernels.rate_factor(1) == pytest.approx(0.001 / 0.025)


def test_the_added_loss_is_entropy_and_complexity_of_the_architecture_alone() -> None:
    searcher = _searcher(entropy_weight=0.01, complexity_weight=0.1)
    architecture, kernels = searcher.phases(SearchSchedule())
    assert searcher.added_loss(kernels) is None
    with torch.no_grad():
        searcher.logits.zero_()
        searcher.logits[..., 0] = math.log(3)
    # Every place is parallel by three quarters.
    entropy = -(0.75 * math.log10(0.75) + 0.25 * math.log10(0.25))
    complexity = 0.75 * 0.7 + 0.25 * 0.3
    assert searcher.added_loss(architecture).item() == pytest.approx(0.01 * entropy + 0.1 * complexity)
    bits = -(0.75 * math.log2(0.75) + 0.25 * math.log2(0.25))
    assert searcher.entropies_bits() == {"modules": pytest.approx(bits)}
    (gradient,) = torch.autograd.grad(searcher.added_loss(architecture), searcher.logits)
    assert gradient.isfinite().all()
    for kind in ("parallel", "fusion"):
        _decide(searcher, searcher.settings.of_one_kind(kind))
        cost = {"parallel": 0.7, "fusion": 0.3}[kind]
        assert searcher.added_loss(architecture).item() == pytest.approx(0.1 * cost)
        assert searcher.entropies_bits()["modules"] == pytest.approx(0, abs=1e-6)


def test_a_temperature_brings_the_probabilities_to_a_decision() -> None:
    searcher = _searcher()
    before = searcher.entropies_bits()["modules"]
    assert before == pytest.approx(searcher.largest_entropies_bits()["modules"], abs=1e-3)
    searcher.set_temperature(1e-5)
    assert searcher.entropies_bits()["modules"] < 0.5


@pytest.mark.parametrize("changes", SIZES.values(), ids=SIZES)
def test_the_expected_blocks_and_halo_of_a_decided_architecture_are_its_networks(changes: Any) -> None:
    searcher = _searcher(**changes)
    halos: set[int] = set()
    for seed in range(8):
        description = searcher.random_description(Random(seed))
        _decide(searcher, description)
        counts = searcher.blocks_of(description)
        for block, count in searcher.expected_blocks().items():
            assert count.item() == pytest.approx(counts.get(block, 0), abs=1e-5)
        assert searcher.expected_halo().item() == pytest.approx(searcher.halo_of(description), abs=1e-3)
        halos.add(searcher.halo_of(description))
    assert len(halos) > 2


def test_an_undecided_halo_lies_between_and_tells_the_logits_where_to_go() -> None:
    searcher = _searcher()
    with torch.no_grad():
        searcher.logits.zero_()
    halos = [searcher.halo_of(searcher.settings.of_one_kind(kind)) for kind in ("parallel", "fusion")]
    expected = searcher.expected_halo()
    assert min(halos) < expected.item() < max(halos)
    (gradient,) = torch.autograd.grad(expected, searcher.logits)
    assert gradient.abs().sum() > 0


@pytest.mark.parametrize("changes", SIZES.values(), ids=SIZES)
def test_the_latencies_of_the_probes_fix_the_price_of_every_network(changes: Any) -> None:
    pricing = CLEARER.pricing
    assert pricing is not None
    settings = space_settings("clearer", SMALL | changes)
    rows = [pricing.blocks(probe, GREY) for probe in pricing.probes(settings)]
    names = sorted({block for row in rows for block in row})
    matrix = np.array([[row.get(block, 0) for block in names] for row in rows], np.float64)
    # Not only of the search's networks: every block has one price.
    assert np.linalg.matrix_rank(matrix) == len(names)
    for seed in range(10):
        assert set(pricing.blocks(CLEARER.random(settings, Random(seed)), GREY)) <= set(names)


def test_the_perturbed_network_differs_by_one_module_a_stage() -> None:
    searcher = _searcher()
    description = searcher.random_description(Random(3))
    (changed,) = searcher.perturbed(description, Random(1)).values()
    for before, after in zip(description.stages, changed.stages, strict=True):
        assert sum(one != other for one, other in zip(before, after, strict=True)) == 1


def test_a_search_finds_a_genotype_and_says_how_decided_it_is(
    in_process: Callable[..., Any], picture_folder: Path, tmp_path: Path
) -> None:
    changes = (
        "width=4", "branches=2", "modules=2", "stem.channels=2", "steps=1", "warm_up_epochs=1",
        "architecture_learning_rate=0.5",
    )  # fmt: skip
    small = [part for change in changes for part in ("--set", change)]
    found = in_process(
        app, picture_folder, "--out", tmp_path, "--space", "clearer", "--channels", "1", *small,
        "--epochs", "3", "--batch", "2", "--crop", "16", "--device", "cpu", "--threads", "1", "--perturbed",
    )  # fmt: skip
    assert found.returncode == 0, found.stderr
    identities = {read_genotype(tmp_path / f"genotype{suffix}.json").identity for suffix in ("", "-r1")}
    assert len(identities) == 2
    entropies = [float(row["entropy_modules_bits"]) for row in csv.DictReader((tmp_path / "history.csv").open())]
    # The architecture rests in the warm-up, then moves.
    assert entropies[0] == pytest.approx(1, abs=1e-4) and entropies[-1] < 0.99

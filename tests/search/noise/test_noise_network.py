"""The noise network in PyTorch: its file, and that it learns."""

from dataclasses import replace
from itertools import repeat
from pathlib import Path

import numpy as np
import pytest
import torch
from hinas.errors import UserError
from hinas.search.camera.clean_crops import CleanImages
from hinas.search.noise.batches import NoiseBatch, PoolSizes, noise_batches
from hinas.search.noise.network import NoiseNetwork, load_noise_network, save_noise_network
from hinas.search.noise.training import NoiseLoss, noise_loss, train_noise_network
from torch.nn import functional as F

SIZES = PoolSizes(pair_side=64, crop_sides=(48, 56), batch=16, num_first=32, num_new=2)


def _network(seed: int) -> NoiseNetwork:
    torch.manual_seed(seed)
    return NoiseNetwork()


def _origin() -> CleanImages:
    """Tiny pictures: waves of three colours."""
    rows, columns = np.mgrid[:72, :80]
    waves = [128 + 90 * np.sin((rows * a + columns * b) / 30) for a, b in ((1, 2), (2, -1), (0, 3))]
    return CleanImages(images=[np.stack(waves, axis=-1).astype(np.uint8)])


def _one_batch(number: int) -> NoiseBatch:
    sizes = PoolSizes(pair_side=56, crop_sides=(48,), batch=number, num_first=number)
    return next(noise_batches([_origin()], sizes, seed=10))


@torch.no_grad()
def _loss(network: NoiseNetwork, batch: NoiseBatch) -> NoiseLoss:
    return noise_loss(network, batch)


def test_a_batch_is_learnt_by_heart() -> None:
    network, batch = _network(0), _one_batch(8)
    before = _loss(network, batch)
    train_noise_network(network, repeat(batch), iterations=80, report=lambda loss: None)
    after = _loss(network, batch)
    log_levels_B = (batch.levels_B + 0.5).log()
    constant = F.smooth_l1_loss(log_levels_B.median().expand(8), log_levels_B, beta=0.2)
    assert constant > 0.5
    assert after.level < 0.2 * constant
    assert after.kind < 0.5 * before.kind


def test_training_lowers_the_loss_on_crops_it_has_not_seen() -> None:
    network, unseen = _network(0), _one_batch(48)
    before = _loss(network, unseen)
    reported: list[NoiseLoss] = []
    train_noise_network(network, noise_batches([_origin()], SIZES, seed=0), iterations=20, report=reported.append)
    after = _loss(network, unseen)
    assert len(reported) == 20
    assert reported[0].total > 2 * reported[-1].total
    assert before.total > 2 * after.total


def test_a_training_depends_on_its_seed_alone() -> None:
    trained = []
    for _ in range(2):
        network = _network(3)
        batches = noise_batches([_origin()], SIZES, seed=3)
        train_noise_network(network, batches, iterations=2, report=lambda loss: None)
        trained.append(torch.cat([parameter.flatten() for parameter in network.parameters()]))
    assert torch.equal(*trained)


def test_the_kind_of_noise_too_weak_to_tell_counts_nothing() -> None:
    network, batch = _network(0), _one_batch(32)
    weak = batch.levels_B <= 1.5
    assert weak.any() and not weak.all()
    others = torch.where(weak, 1 - batch.is_white_B, batch.is_white_B)
    assert _loss(network, replace(batch, is_white_B=others)).kind == _loss(network, batch).kind
    assert _loss(network, replace(batch, is_white_B=1 - others)).kind != _loss(network, batch).kind


def test_a_file_gives_the_network_back_and_its_bytes_depend_on_the_weights_alone(tmp_path: Path) -> None:
    network = _network(1)
    first, second = tmp_path / "first.npz", tmp_path / "second.npz"
    save_noise_network(network, first)
    loaded = load_noise_network(first)
    save_noise_network(loaded, second)
    assert first.read_bytes() == second.read_bytes()
    crops = torch.rand(2, 3, 50, 60) * 255
    for before, after in zip(network(crops), loaded(crops), strict=True):
        assert torch.equal(before, after)


def test_files_that_hold_no_such_network_are_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"none\.npz: no such file; give an \.npz"):
        load_noise_network(tmp_path / "none.npz")
    text, single, other = tmp_path / "text.npz", tmp_path / "single.npy", tmp_path / "other.npz"
    text.write_text("no weights")
    np.save(single, np.zeros(3))
    np.savez(other, np.zeros((32, 3, 3, 3), np.float32))
    for damaged in (text, single, tmp_path):
        with pytest.raises(UserError, match="cannot be read as weights of a noise network"):
            load_noise_network(damaged)
    with pytest.raises(UserError, match=r"other\.npz: weights of another network"):
        load_noise_network(other)

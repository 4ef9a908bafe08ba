"""A search in the superkernel space: kernels and logits learn in one phase, and a resumed search is the same one."""

import contextlib
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from hinas.search.architecture_search.search_loop import search
from hinas.search.architecture_search.search_state import (
    Searched,
    SearchState,
    new_search,
    restore_search,
    search_content,
)
from hinas.search.images.image_folder import load_images
from hinas.search.images.training_images import PatchSource
from hinas.search.learning.distributed import Ranks
from hinas.search.runs.checkpoint import load_checkpoint, save_checkpoint
from hinas.search.spaces.registry import network_description
from hinas.search.spaces.schedule import SearchSchedule
from hinas.search.tasks.denoise import Denoise
from stand_ins.small_searchers import GREY, SUPERKERNEL, superkernel_settings

CPU = torch.device("cpu")
SCHEDULE = SearchSchedule.model_validate(
    {"epochs": 4, "batch": 2, "crop": 16, "warm_up_epochs": 0, "validate_from_epoch": 3, "final_temperature": 0.1,
     "kernel_optimizer": "adam", "architecture_learning_rate": 0.05}
)  # fmt: skip


def _searched(folder: Path, schedule: SearchSchedule) -> Searched:
    patches = PatchSource(load_images(folder, channels=1, smallest_side=16).images, device=CPU)
    return Searched(
        schedule=schedule, method="gradient", task=Denoise(levels=(30.0, 50.0), quantised_share=0.0), kernels=patches,
        architecture=patches, validation=patches, steps_per_epoch=2, latency=None, ranks=Ranks(),
    )  # fmt: skip


def _new(**changes: Any) -> SearchState:
    torch.manual_seed(0)
    searcher = SUPERKERNEL.searcher(superkernel_settings(**changes), GREY)
    return new_search(searcher, SCHEDULE, seed=0, device=CPU)


def _run(state: SearchState, folder: Path, epochs: int) -> None:
    # The whole schedule, interrupted after some epochs.
    def interrupted(current: SearchState) -> None:
        if current.epoch == epochs:
            raise KeyboardInterrupt

    with contextlib.suppress(KeyboardInterrupt):
        search(state, _searched(folder, SCHEDULE), max_seconds=math.inf, save=lambda: None, report=interrupted)


@pytest.mark.parametrize("choice", ["joint", "filterwise_attention"])
def test_a_resumed_search_is_the_search_that_was_never_interrupted(
    choice: str, picture_folder: Path, tmp_path: Path
) -> None:
    whole = _new(choice=choice)
    _run(whole, picture_folder, 4)
    first = _new(choice=choice)
    _run(first, picture_folder, 2)
    save_checkpoint(search_content(first, {}, "a search"), tmp_path / "checkpoint.pt")
    again = _new(choice=choice)
    again.searcher.restore_randomness(torch.Generator().manual_seed(99).get_state())
    content = load_checkpoint(tmp_path / "checkpoint.pt", device=CPU)
    restore_search(again, content, lambda document: network_description("superkernel", document))
    _run(again, picture_folder, 4)
    for (name, one), other in zip(
        whole.searcher.state_dict().items(), again.searcher.state_dict().values(), strict=True
    ):
        assert torch.equal(one, other), name
    assert [row.losses for row in whole.history] == [row.losses for row in again.history]
    assert whole.best is not None and again.best is not None and whole.best.description == again.best.description


def test_kernels_and_logits_learn_in_one_phase(picture_folder: Path) -> None:
    state = _new()
    (phase,) = state.phases
    assert phase.learns == {"kernels", "architecture"}
    before = {name: value.detach().clone() for name, value in state.searcher.named_parameters()}
    _run(state, picture_folder, 2)
    moved = {name for name, value in state.searcher.named_parameters() if not torch.equal(value, before[name])}
    assert any(name.startswith("choices.") for name in moved) and any(name.endswith("last.scale") for name in moved)
    # Batches of V are scored without a draw: the distilled network is.
    state_before = state.searcher.randomness()
    assert state.searcher.judged() == state.searcher.description()
    assert torch.equal(state.searcher.randomness(), state_before)

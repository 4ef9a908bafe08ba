"""Super-resolution: bicubic as MATLAB's imresize has it, the task, and networks that begin as bicubic enlargement."""

import json
import math
from random import Random
from typing import Any

import numpy as np
import pytest
import torch
from hinas.errors import UserError
from hinas.search.architecture_search.drawn_levels import check_conditioning
from hinas.search.architecture_search.search_space import preset_space
from hinas.search.bicubic import ENLARGEMENT_REACH, enlarged, reduced, resampling_matrix
from hinas.search.search_command import app as search_app
from hinas.search.spaces.hinas.search_settings import Settings as HinasSettings
from hinas.search.spaces.image_output import ImageOutput
from hinas.search.spaces.interface import TaskDescription
from hinas.search.spaces.registry import space_named, space_names
from hinas.search.tasks.interface import TaskOptions
from hinas.search.tasks.registry import configured_task, task_for_search
from hinas.search.tasks.super_resolution import SuperResolution, luma
from hinas.search.tasks.super_resolution import reduced as reduced_tensors
from hinas.search.training.usual_settings import usual_settings
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor


def imresize_line(line: list[float], new_size: int) -> list[float]:
    """MATLAB's imresize of one line, written out: for every new pixel a sum over the stretched kernel."""

    def kernel(x: float) -> float:
        x = abs(x)
        if x <= 1:
            return 1.5 * x**3 - 2.5 * x**2 + 1
        return -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2 if x <= 2 else 0.0

    size, scale = len(line), new_size / len(line)
    stretch = min(scale, 1.0)
    mirror = [*range(size), *range(size - 1, -1, -1)]
    result = []
    for position in range(1, new_size + 1):
        # One-based, as MATLAB counts.
        centre = position / scale + 0.5 * (1 - 1 / scale)
        left = math.floor(centre - 2 / stretch)
        sources = range(left, left + math.ceil(4 / stretch) + 2)
        weights = [stretch * kernel(stretch * (centre - source)) for source in sources]
        values = [line[mirror[(source - 1) % (2 * size)]] for source in sources]
        result.append(sum(w * v for w, v in zip(weights, values, strict=True)) / sum(weights))
    return result


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize("size", [1, 2, 5, 12])
def test_both_ways_are_imresize(scale: int, size: int) -> None:
    line = np.random.default_rng(size).random(size * scale)
    expected = imresize_line(line.tolist(), size)
    np.testing.assert_allclose(resampling_matrix(size * scale, size) @ line, expected, atol=1e-12)
    np.testing.assert_allclose(resampling_matrix(size, size * scale) @ expected, imresize_line(expected, size * scale))


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_what_bicubic_keeps(scale: int) -> None:
    flat = np.full((2 * scale, 3 * scale, 3), 0.3)
    np.testing.assert_allclose(reduced(flat, scale), 0.3)
    np.testing.assert_allclose(enlarged(flat, scale), 0.3)
    rows, columns = np.mgrid[:24, :36]
    ramp = 2.0 * rows + 3.0 * columns
    # Where pixels lie is counted from their middles, so a ramp of the small picture is one of the large one.
    large_rows, large_columns = np.mgrid[: 24 * scale, : 36 * scale]
    expected = 2.0 * ((large_rows + 0.5) / scale - 0.5) + 3.0 * ((large_columns + 0.5) / scale - 0.5)
    inside = (slice(2 * scale, -2 * scale),) * 2
    np.testing.assert_allclose(enlarged(ramp, scale)[inside], expected[inside])
    np.testing.assert_allclose(reduced(expected, scale)[2:-2, 2:-2], ramp[2:-2, 2:-2])
    # The finest stripes, which no small picture can hold, become an even grey.
    stripes = np.tile([0.0, 1.0], (8 * scale, 6 * scale))[:, : 12 * scale]
    np.testing.assert_allclose(reduced(stripes, scale)[:, 3:-3], 0.5, atol=0.02 if scale % 2 == 0 else 0.06)


def test_the_degradation_of_tensors_is_that_of_arrays() -> None:
    picture = np.random.default_rng(0).random((3, 12, 18))
    small = reduced_tensors(torch.from_numpy(picture)[None].float(), 3)[0].numpy()
    expected = np.moveaxis(reduced(np.moveaxis(picture, 0, 2), 3), 2, 0).clip(0, 1)
    np.testing.assert_allclose(small, expected, atol=1e-6)


def test_pictures_are_cropped_and_small_ones_rounded_as_files_are() -> None:
    clean = torch.rand(4, 3, 25, 32)
    generator = torch.Generator().manual_seed(0)
    for share, is_rounded in ((0.0, False), (1.0, True)):
        pairs = SuperResolution(scale=3, quantised_share=share).drawn(clean, generator)
        assert pairs.degraded_BCHW.shape == (4, 3, 8, 10)
        assert torch.equal(pairs.clean_BCHW, clean[:, :, :24, :30])
        steps = pairs.degraded_BCHW * 255
        assert torch.allclose(steps, steps.round(), atol=1e-4) == is_rounded
    assert SuperResolution(scale=3).quantised_share == 1
    scored = SuperResolution(scale=3, quantised_share=0.0).of_case(clean, SuperResolution(scale=3).cases[0], generator)
    assert torch.equal(scored.degraded_BCHW, (scored.degraded_BCHW * 255).round() / 255)


def test_scores_are_of_brightness_without_a_border() -> None:
    colours = torch.tensor([[0.0, 0, 0], [1, 1, 1], [1, 0, 0]]).reshape(3, 3, 1, 1)
    assert torch.allclose(255 * luma(colours).flatten(), torch.tensor([16.0, 235.0, 16 + 65.481]))
    assert torch.allclose(luma(colours[:2, :1]), luma(colours[:2]))
    clean = torch.rand(1, 3, 40, 48)
    output = clean.clone()
    output[:, :, :4] = output[:, :, -4:] = output[:, :, :, :4] = output[:, :, :, -4:] = 0
    one, other = SuperResolution(scale=4).compared(output, clean)
    assert one.shape == (1, 1, 32, 40) and torch.equal(one, other)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (TaskOptions(), "--scale: got 1, super-resolution enlarges 2, 3 or 4 times"),
        (TaskOptions(scale=2, levels=(30.0,)), "--sigma: super-resolution takes no noise level"),
        (TaskOptions(scale=2, level_range=(0.0, 5.0)), "--sigma: super-resolution takes no noise level"),
    ],
)
def test_options_that_make_no_sense_are_refused(options: TaskOptions, words: str) -> None:
    with pytest.raises(UserError, match=words):
        configured_task("super-resolution", options)


def test_searches_of_other_tasks_draw_what_they_drew() -> None:
    assert task_for_search("denoise", TaskOptions()) == configured_task(
        "denoise", TaskOptions(levels=(30.0, 50.0, 70.0), quantised_share=0.0)
    )
    assert task_for_search("camera", TaskOptions()) == configured_task("camera", TaskOptions())


@given(
    height=st.integers(1, 9),
    width=st.integers(1, 9),
    scale=st.sampled_from([2, 3, 4]),
    stride=st.sampled_from([1, 2]),
    channels=st.sampled_from([1, 3]),
)
@settings(max_examples=30, deadline=None)
def test_a_silent_network_enlarges_bicubically(height: int, width: int, scale: int, stride: int, channels: int) -> None:
    height, width = height * stride, width * stride
    image = torch.rand(2, channels, height, width)
    maps = torch.zeros(2, channels * (scale * stride) ** 2, height // stride, width // stride)
    output = ImageOutput(channels, stride=stride, scale=scale, residual=True)(maps, image)
    # Beyond the border imresize mirrors; a mirror and a repeated last pixel differ from the second pixel on.
    around = np.pad(image.numpy(), ((0, 0), (0, 0), (2, 2), (2, 2)), mode="edge")
    expected = [np.moveaxis(enlarged(np.moveaxis(one, 0, 2), scale), 2, 0) for one in around]
    inside = slice(ENLARGEMENT_REACH * scale, -ENLARGEMENT_REACH * scale)
    np.testing.assert_allclose(output.numpy(), np.stack(expected)[:, :, inside, inside], atol=2e-6)


def test_the_base_picture_keeps_its_precision_where_a_network_computes_in_bf16() -> None:
    image, maps = torch.rand(1, 3, 8, 8), torch.zeros(1, 12, 8, 8)
    part = ImageOutput(3, stride=1, scale=2, residual=True)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        lowered: Tensor = part(maps, image)
    assert torch.equal(lowered, part(maps, image)) and not part.state_dict()


@pytest.mark.parametrize("space", [name for name in space_names() if space_named(name).enlarges])
@pytest.mark.parametrize("scale", [2, 3])
def test_every_preset_makes_blind_networks_and_residual_ones_begin_as_bicubic(space: str, scale: int) -> None:
    task = TaskDescription(name="super-resolution", channels=3, scale=scale)
    for preset in space_named(space).presets:
        described = preset_space(space, task, preset, {})
        check_conditioning(described, SuperResolution(scale=scale))
        assert described.schedule.crop % scale == described.halving.crop % scale == described.supernet.crop % scale == 0
        network = space_named(space).random(described.settings, Random(0))
        built = space_named(space).network(network, task).eval()
        image = torch.rand(1, 3, 12, 16)
        output = built(image)[0].movedim(0, 2).detach().numpy()
        begins = enlarged(image[0].movedim(0, 2).numpy(), scale)
        expected = begins if described.settings.model_dump()["residual"] else np.zeros_like(begins)
        inside = slice(2 * scale, -2 * scale)
        np.testing.assert_allclose(output[inside, inside], expected[inside, inside], atol=1e-5)


def test_networks_with_shared_kernels_are_the_networks_they_become() -> None:
    task = TaskDescription(name="super-resolution", channels=3, scale=3)
    image = torch.rand(2, 3, 8, 10)
    space = space_named("pyramid")
    changes = {"widths": [4, 8], "middle": [1, 2]}
    shared = space.single_path_supernet(preset_space("pyramid", task, "fast", changes).settings, task)
    for parameter in shared.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    one = shared.random_description(Random(1))
    with torch.no_grad():
        expected = shared.inherited_network(one)(image)
        assert torch.allclose(shared(image, None, one), expected, atol=1e-6) and expected.shape == (2, 3, 24, 30)
    changes = {"layers": 1, "nodes": 1, "width": 4}
    searcher = space_named("hinas").searcher(preset_space("hinas", task, "fast", changes).settings, task)
    assert searcher(image, None).shape == (2, 3, 24, 30)


def test_the_papers_preset_is_the_papers() -> None:
    task = TaskDescription(name="super-resolution", channels=3, scale=3)
    described = preset_space("hinas", task, "paper", {})
    chosen = described.settings
    assert isinstance(chosen, HinasSettings)
    assert (chosen.layers, chosen.nodes, chosen.width, chosen.compact_width) == (2, 3, 8, 16)
    assert (described.schedule.pixel_loss, described.schedule.ssim_weight) == ("l1", 0.6)
    denoising = preset_space("hinas", TaskDescription(channels=3), "paper", {})
    assert (denoising.schedule.pixel_loss, denoising.schedule.crop) == ("mse", 64)


def test_a_network_that_is_told_a_level_is_refused(mistake: Any, tmp_path: Any) -> None:
    words = mistake(
        search_app, tmp_path, "--out", tmp_path / "run", "--task", "super-resolution", "--scale", "2",
        "--set", 'conditioning={"range": [0, 50]}',
    )  # fmt: skip
    assert "the task super-resolution has no strength" in words and "--set conditioning=null" in words
    words = mistake(search_app, tmp_path, "--out", tmp_path / "run", "--task", "super-resolution")
    assert "--scale: got 1" in words


@pytest.mark.parametrize(("task", "crop", "weight"), [("denoise", 64, 0.0), ("super-resolution", 192, 0.6)])
def test_what_a_training_does_unasked(task: str, crop: int, weight: float, small_document: Any, tmp_path: Any) -> None:
    document = small_document(3)
    document["task"] = {"name": task, "channels": 3, "scale": 1 if task == "denoise" else 3}
    (tmp_path / "genotype.json").write_text(json.dumps(document))
    found = usual_settings(tmp_path / "genotype.json")
    assert (found.crop, found.ssim_weight) == (crop, weight)

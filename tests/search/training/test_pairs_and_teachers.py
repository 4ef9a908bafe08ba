"""What a training learns from besides simulated noise: pairs of files, and another network."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hinas.errors import UserError
from hinas.network_input import NetworkInput
from hinas.runtime.model.bundled_models import MODELS_FOLDER
from hinas.search.genotype import genotype_from_json, read_genotype
from hinas.search.images.image_folder import load_images
from hinas.search.images.training_images import PatchSource
from hinas.search.learning.distributed import Ranks
from hinas.search.learning.weights import load_weights, save_weights
from hinas.search.tasks.denoise import Denoise
from hinas.search.train_command import app
from hinas.search.training.given_pairs import GivenPairs, load_pairs
from hinas.search.training.teacher import Teacher, opened_teacher
from hinas.search.training.train_loop import train
from hinas.search.training.training_settings import USUAL_TEACHER_SHARE, TrainingSettings
from hinas.search.training.training_state import TrainingState, new_state
from PIL import Image
from safetensors import safe_open

CPU = torch.device("cpu")
INPUT = NetworkInput(channels=1, alignment=2, level_range=(0.0, 75.0))


@pytest.fixture
def inverted_folder(picture_folder: Path, tmp_path: Path) -> Path:
    """The same pictures as negatives, as TIFF."""
    folder = tmp_path / "degraded"
    folder.mkdir()
    for file in picture_folder.iterdir():
        Image.fromarray(255 - np.asarray(Image.open(file))).save(folder / f"{file.stem}.tiff")
    return folder


def test_both_pictures_of_a_pair_are_cut_flipped_and_turned_alike(picture_folder: Path, inverted_folder: Path) -> None:
    pairs = load_pairs(picture_folder, inverted_folder, channels=3, smallest_side=16)
    assert [image.shape[2] for image in pairs.images] == [6, 6, 6]
    task = GivenPairs(task=Denoise())
    draw = torch.Generator().manual_seed(0)
    drawn = task.drawn(PatchSource(pairs.images, device=CPU).draw(20, 24, draw), draw)
    torch.testing.assert_close(drawn.degraded_BCHW, 1 - drawn.clean_BCHW)
    assert drawn.clean_BCHW.std() > 0.1
    rms = 255 * (drawn.degraded_BCHW - drawn.clean_BCHW).square().mean(dim=(1, 2, 3)).sqrt()
    assert drawn.level_B is not None
    torch.testing.assert_close(drawn.level_B, rms.clamp(0, 75))
    assert rms.max() > 75


def _one_name_missing(folder: Path) -> str:
    (folder / "picture-1.tiff").unlink()
    return r"picture-1\.png: has no picture of the same name in .*degraded"


def _one_too_many(folder: Path) -> str:
    Image.new("RGB", (90, 70)).save(folder / "more.png")
    return r"more\.png: has no picture of the same name in .*pictures"


def _another_size(folder: Path) -> str:
    Image.new("RGB", (80, 70)).save(folder / "picture-0.tiff")
    return r"picture-0\.tiff: 80x70 pixels, but .*picture-0\.png has 90x70"


def _one_name_twice(folder: Path) -> str:
    Image.new("RGB", (90, 70)).save(folder / "picture-0.png")
    return r"picture-0\.(png|tiff): two pictures of this name"


@pytest.mark.parametrize("spoil", [_one_name_missing, _one_too_many, _another_size, _one_name_twice])
def test_pictures_that_are_no_pairs_are_named(
    picture_folder: Path, inverted_folder: Path, spoil: Callable[[Path], str]
) -> None:
    message = spoil(inverted_folder)
    with pytest.raises(UserError, match=message):
        load_pairs(picture_folder, inverted_folder, channels=3, smallest_side=16)


@pytest.fixture
def genotype_file(small_document: Any, tmp_path: Path) -> Path:
    path = tmp_path / "small.json"
    path.write_text(json.dumps(small_document(3)))
    return path


def test_the_command_trains_on_pairs_and_says_so(
    picture_folder: Path, inverted_folder: Path, genotype_file: Path, tmp_path: Path, in_process: Any, mistake: Any
) -> None:
    out = tmp_path / "run"
    run = [str(genotype_file), str(picture_folder), "--out", str(out), "--batch", "2", "--crop", "16", "--device",
           "cpu", "--threads", "1"]  # fmt: skip
    done = in_process(app, *run, "--iterations", "3", "--degraded", str(inverted_folder))
    assert done.returncode == 0, done.stderr
    assert "dB at pairs" in done.stderr
    with safe_open(out / "weights.safetensors", framework="np") as weights:
        record = json.loads(weights.metadata()["hinas.training"])
    assert record["settings"]["pairs"] == "of files" and record["images"] == 3
    assert "trained with pairs of files" in mistake(app, *run, "--iterations", "5", "--resume")
    for refused in (("--validation", str(picture_folder)), ("--quantised-share", "0.5")):
        assert refused[0] in mistake(app, *run, "--iterations", "5", "--degraded", str(inverted_folder), *refused)


def _state(document: dict[str, Any], settings: TrainingSettings) -> TrainingState:
    torch.manual_seed(settings.seed)
    return new_state(genotype_from_json(json.dumps(document)).built(), settings, device=CPU)


class _Same(torch.nn.Module):
    def forward(self, image: torch.Tensor, level: torch.Tensor) -> torch.Tensor:
        return image


class _Black(torch.nn.Module):
    def forward(self, image: torch.Tensor, level: torch.Tensor) -> torch.Tensor:
        return torch.zeros_like(image)


def _trained(
    state: TrainingState,
    settings: TrainingSettings,
    source: PatchSource,
    teacher: Teacher | None,
    task: Denoise | None = None,
) -> None:
    train(
        state,
        settings,
        patches=source,
        validation_images=(),
        task=task or Denoise(range=(0.0, 0.0)),
        network_input=INPUT,
        teacher=teacher,
        compiled=False,
        ranks=Ranks(),
        max_seconds=math.inf,
        save=lambda: None,
        save_every_seconds=1e9,
        report=lambda *_: None,
    )


@pytest.mark.parametrize("share", [0.25, 1.0])
def test_what_is_learnt_is_a_mixture_of_the_images_and_the_teachers_output(
    share: float, small_document: Any, picture_folder: Path
) -> None:
    """Without noise the untrained network, which is the identity, is perfect, and only a wrong teacher costs."""
    settings = TrainingSettings(iterations=1, batch=4, crop=16, warmup=1, log_every=1, pixel_loss="mse")
    source = PatchSource(load_images(picture_folder, channels=1, smallest_side=16).images, device=CPU)
    losses: list[float] = []
    for network in (None, _Same(), _Black()):
        state = _state(small_document(1), settings)
        teacher = None if network is None else Teacher(identity="x", network=network, given=INPUT, share=share)
        _trained(state, settings, source, teacher)
        losses.append(state.history[0].loss)
    clean = source.draw(4, 16, torch.Generator().manual_seed(settings.seed))
    assert losses[:2] == pytest.approx([0, 0], abs=1e-6)
    assert losses[2] == pytest.approx(share**2 * float(clean.square().mean()), rel=0.01)


class _Shaded(torch.nn.Module):
    """Darker from left to right, whatever it is given: not the same when turned."""

    def forward(self, image: torch.Tensor, level: torch.Tensor) -> torch.Tensor:
        return torch.linspace(1, 0, image.shape[3]).expand_as(image)


def test_a_teacher_sees_the_batch_turned_and_its_output_is_turned_back() -> None:
    batch, level = torch.rand(2, 1, 16, 16), torch.zeros(2)
    same, shaded = (Teacher(identity="x", network=network, given=INPUT) for network in (_Same(), _Shaded()))
    for turns in range(4):
        assert torch.equal(same.output(batch, level, turns=turns), batch)
    seen = [shaded.output(batch, level, turns=turns) for turns in range(4)]
    assert torch.equal(seen[2], seen[0].flip(3)) and torch.equal(seen[1], seen[0].transpose(2, 3))
    torch.testing.assert_close(torch.stack(seen).mean(0), torch.full_like(batch, 0.5))


class _Upright(Denoise):
    """Noise in pictures that are never turned."""

    same_when_turned = False


class _Noting(torch.nn.Module):
    """The identity; keeps what it is given."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[torch.Tensor] = []

    def forward(self, image: torch.Tensor, level: torch.Tensor) -> torch.Tensor:
        self.seen.append(image)
        return image


@pytest.mark.parametrize(("kind", "turned"), [(Denoise, True), (_Upright, False)])
def test_only_where_turned_images_are_as_likely_does_a_teacher_see_them_turned(
    kind: type[Denoise], turned: bool, small_document: Any, picture_folder: Path
) -> None:
    settings = TrainingSettings(
        iterations=8, batch=1, crop=16, warmup=1, log_every=1, pixel_loss="mse", learning_rate=0
    )
    source = PatchSource(load_images(picture_folder, channels=1, smallest_side=16).images, device=CPU)
    state = _state(small_document(1), settings)
    learner, noting = _Noting(), _Noting()
    state.network.register_forward_pre_hook(lambda _, given: learner.seen.append(given[0]))
    _trained(state, settings, source, Teacher(identity="x", network=noting, given=INPUT), kind(range=(0.0, 0.0)))
    assert len(learner.seen) == len(noting.seen) == 8
    same = [torch.equal(given, seen) for given, seen in zip(learner.seen, noting.seen, strict=True)]
    assert all(same) != turned
    for given, seen in zip(learner.seen, noting.seen, strict=True):
        assert any(torch.equal(torch.rot90(given, turns, (2, 3)), seen) for turns in range(4))


def test_a_teacher_is_a_genotype_with_weights_or_a_bundled_name(small_document: Any, tmp_path: Path) -> None:
    file = tmp_path / "wise.json"
    file.write_text(json.dumps(small_document(1)))
    with pytest.raises(UserError, match=r"no weights beside it, such as .*wise\.safetensors"):
        opened_teacher(file, INPUT, "denoise", crop=16, device=CPU)
    genotype = genotype_from_json(file.read_text())
    network = genotype.built().eval()
    save_weights(network, file.with_suffix(".safetensors"), identity=genotype.identity, training={})
    teacher = opened_teacher(file, INPUT, "denoise", crop=16, device=CPU)
    image, level = torch.rand(1, 1, 16, 16), torch.tensor([25.0])
    assert teacher.identity == genotype.identity
    torch.testing.assert_close(teacher.output(image, level), network(image, level).detach())
    assert opened_teacher(Path("gray"), INPUT, "denoise", crop=16, device=CPU).given.channels == 1


@pytest.mark.parametrize(
    ("name", "learner", "task", "crop", "message"),
    [
        ("color", INPUT, "denoise", 16, "--teacher color: for denoise, 3 channels"),
        ("gray", INPUT, "camera", 16, "--teacher gray: for denoise"),
        ("gray", NetworkInput(channels=1), "denoise", 16, "conditioned on a strength"),
        ("gray", INPUT, "denoise", 17, "--crop: got 17, expected a multiple of 8"),
        ("grey", INPUT, "denoise", 16, "no bundled genotype"),
    ],
)
def test_a_teacher_of_something_else_is_refused(
    name: str, learner: NetworkInput, task: str, crop: int, message: str
) -> None:
    with pytest.raises(UserError, match=message):
        opened_teacher(Path(name), learner, task, crop=crop, device=CPU)


def test_the_command_mixes_as_asked_and_records_it(
    picture_folder: Path, genotype_file: Path, tmp_path: Path, in_process: Any, mistake: Any
) -> None:
    run = [str(genotype_file), str(picture_folder), "--batch", "1", "--crop", "16", "--device", "cpu", "--threads", "1",
           "--iterations", "1"]  # fmt: skip
    recorded: list[float | None] = []
    for number, asked in enumerate(([], ["--teacher", "color"], ["--teacher", "color", "--teacher-share", "0.9"])):
        out = tmp_path / str(number)
        done = in_process(app, *run, "--out", str(out), *asked)
        assert done.returncode == 0, done.stderr
        with safe_open(out / "weights.safetensors", framework="np") as weights:
            recorded.append(json.loads(weights.metadata()["hinas.training"])["settings"]["teacher_share"])
    assert recorded == [None, USUAL_TEACHER_SHARE, 0.9]
    refused = [*run, "--out", str(tmp_path / "none"), "--teacher-share"]
    assert "--teacher-share: there is no --teacher" in mistake(app, *refused, "0.5")
    assert "--teacher-share: got 0, expected more than 0" in mistake(app, *refused, "0", "--teacher", "color")
    assert not (tmp_path / "none").exists()


def test_a_bundled_network_is_trained_on_from_its_model_alone(
    picture_folder: Path, tmp_path: Path, in_process: Any, mistake: Any
) -> None:
    model = MODELS_FOLDER / "gray-fast.onnx"
    run = [str(picture_folder), "--out", str(tmp_path / "run"), "--batch", "1", "--crop", "16", "--device", "cpu",
           "--threads", "1", "--iterations", "1", "--learning-rate", "0"]  # fmt: skip
    done = in_process(app, "gray-fast", *run, "--start-from", str(model))
    assert done.returncode == 0, done.stderr
    genotype = read_genotype(tmp_path / "run" / "genotype.json")
    before, after = genotype.built(), genotype.built()
    load_weights(before, model, identity=genotype.identity)
    load_weights(after, tmp_path / "run" / "weights.safetensors", identity=genotype.identity)
    for name, tensor in before.state_dict().items():
        torch.testing.assert_close(after.state_dict()[name], tensor)
    assert "no such file, and no bundled genotype of that name" in mistake(app, "grey-fast", *run)

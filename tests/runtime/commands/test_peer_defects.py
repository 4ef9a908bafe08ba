"""Eight defects that other programs of this kind have, and the tests that keep them out; missing ones stand below.

1. Going on after out-of-memory loses rows: `test_denoise.test_running_out_of_memory_at_any_tile_keeps_what_is_done`,
   `test_huge_tiff.test_an_interrupted_stream_leaves_nothing_behind`,
   `test_tensorrt_engines.test_memory_that_lacks_is_said_and_what_was_taken_is_given_back`.
2. An overlap that varies, or is no halo: below; `test_tiling.test_a_halo_one_pixel_short_is_not_exact`;
   that the file's halo is the network's: `search/test_network.test_the_computed_halo_is_exactly_what_a_nan_shows`,
   `export/test_export.test_the_probe_sees_what_a_known_network_sees`.
3. A last tile at an origin that the stride does not divide: `test_tiling.test_geometry`,
   `test_tiling.test_tiled_equals_whole_for_a_strided_stencil`.
4. After an error the previous tile's result is written again: below;
   `test_folder_run.test_failures_in_every_stage_stop_nothing`.
5. The whole picture goes to the device before it is tiled: below.
6. Caches that forget an option, or take any file: `test_engine_files.test_every_part_of_a_key_makes_another_engine`,
   `test_truncated_changed_and_foreign_engines_are_built_anew`, `test_no_damage_goes_unseen`;
   `test_learnt_numbers.test_what_is_kept_comes_back_under_its_own_key_alone`,
   `test_damaged_and_stale_files_are_ignored_and_written_anew`.
7. Mirrored pixels at the picture's border, where the network pads with zeros: below;
   `test_exactness.test_any_tiling_of_any_picture_equals_the_whole`.
8. A quality gate of 4 dB, and dB from papers beside milliseconds from elsewhere:
   `export/test_accuracy_gate.test_the_spoilt_layer_alone_is_found_and_kept`, `test_what_no_layer_in_fp32_mends_fails`;
   `bench/test_results.test_points_join_the_latency_at_a_size_with_the_quality_of_the_same_origin`.
"""

from collections.abc import Generator, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hinas.errors import UserError
from hinas.runtime import Denoiser
from hinas.runtime.backends.backend import Backend
from hinas.runtime.backends.onnxruntime_cpu import OnnxRuntimeCpu
from hinas.runtime.denoise_request import Request
from hinas.runtime.files.denoise_files import denoise_files
from hinas.runtime.files.reporting import Reporter
from hinas.runtime.model.manifest import ModelManifest
from PIL import Image

Models = dict[str, Path]


class Watched(Backend):
    """The processor's backend; keeps what it was given, and fails at one window."""

    def __init__(self, model: Path, *, fails_at: int | None = None) -> None:
        self._inner = OnnxRuntimeCpu(model, threads=1)
        self._fails_at = fails_at
        self.shapes: list[tuple[int, ...]] = []
        self.most_waiting = 0

    @property
    def manifest(self) -> ModelManifest:
        return self._inner.manifest

    @property
    def description(self) -> str:
        return "watched"

    def run(self, noisy_BCHW: Any, sigma_B: Any) -> Any:
        self.shapes.append(noisy_BCHW.shape)
        if len(self.shapes) - 1 == self._fails_at:
            raise UserError("the device is gone")
        return self._inner.run(noisy_BCHW, sigma_B)

    def run_many(self, windows: Iterable[Any], sigma_B: Any) -> Generator[Any, None, None]:
        self.num_made = 0

        def counted() -> Iterable[Any]:
            for window in windows:
                self.num_made += 1
                self.most_waiting = max(self.most_waiting, self.num_made - len(self.shapes))
                yield window

        yield from super().run_many(counted(), sigma_B)

    def bytes_per_pixel(self) -> int:
        return 100

    def release_memory(self) -> None:
        pass


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 255, shape, np.uint8, endpoint=True)


@pytest.mark.parametrize("name", ["gray", "gray1", "color"])
def test_2_the_overlap_is_the_models_halo_for_every_picture_and_tile(models: Models, name: str) -> None:
    for tile in (16, 30, 64):
        denoiser = Denoiser.load(models[name], threads=1, tile=tile)
        halo, alignment = denoiser.manifest.halo, denoiser.manifest.alignment
        for side in range(70, 400, 13):
            plan = denoiser.plan_for(np.zeros((side, 2 * side), np.uint8))
            assert len(plan) > 1
            assert plan.halo == alignment * -(-halo // alignment)
            assert all(
                each.core.rows.start - each.window.rows.start >= halo
                for each in plan
                if each.window.rows.start > 0
            )  # fmt: skip


def test_4_an_error_at_any_tile_writes_nothing_and_the_next_picture_is_its_own(
    models: Models, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "in").mkdir()
    Image.fromarray(noise(60, 50)).save(tmp_path / "in" / "a.png")
    Image.fromarray(255 - noise(60, 50)).save(tmp_path / "in" / "b.png")
    expected = Denoiser.load(models["gray"], threads=1, tile=20)(255 - noise(60, 50), sigma=25)
    num_tiles = len(Denoiser.load(models["gray"], threads=1, tile=20).plan_for(noise(60, 50)))
    assert num_tiles >= 6
    for index in range(num_tiles):
        failing = Denoiser(Watched(models["gray"], fails_at=index), tile=20)
        monkeypatch.setattr(Denoiser, "load", lambda *_, failing=failing, **__: failing)
        request = Request(source=tmp_path / "in", target=tmp_path / str(index), model="gray", sigma=25.0)
        with pytest.raises(UserError, match="1 of 2 pictures failed"):
            denoise_files(request, Reporter(quiet=True, json=False))
        assert [file.name for file in (tmp_path / str(index)).iterdir()] == ["b.png"]
        assert np.array_equal(np.asarray(Image.open(tmp_path / str(index) / "b.png")), expected)


@pytest.mark.parametrize("ensemble", [False, True])
def test_5_the_device_sees_one_window_at_a_time(models: Models, ensemble: bool) -> None:
    backend = Watched(models["color"])
    tile = 40
    Denoiser(backend, tile=tile, ensemble=ensemble)(noise(300, 400, 3), sigma=25)
    most = tile + 2 * (backend.manifest.halo + backend.manifest.alignment)
    assert len(backend.shapes) > 50
    assert all(batch == 1 and height <= most and width <= most for batch, _, height, width in backend.shapes)
    assert backend.most_waiting == 1, "nor are windows cut out before they are needed"


def test_7_the_pictures_border_is_the_networks_own(models: Models) -> None:
    image = noise(90, 110).astype(np.float32) / np.float32(255)
    halo = 20
    whole = Denoiser.load(models["gray1"], threads=1, tile=1000)(image, sigma=25)
    tiled = Denoiser.load(models["gray1"], threads=1, tile=24)(image, sigma=25)
    mirrored = Denoiser.load(models["gray1"], threads=1)(np.pad(image, halo, mode="reflect"), sigma=25)
    mirrored = mirrored[halo:-halo, halo:-halo]
    for border in (np.s_[:2], np.s_[-2:], np.s_[:, :2], np.s_[:, -2:]):
        assert np.abs(tiled[border] - whole[border]).max() < 1e-5
        assert np.abs(mirrored[border] - whole[border]).max() > 1e-2, "what others do is another picture here"

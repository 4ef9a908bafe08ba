"""The trade-off: which time meets which quality, what is on a front, and pictures that bear any results."""

import warnings
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hinas.bench.report.figure_plot import FigureTexts, draw_tradeoff
from hinas.bench.report.label_placement import Label, place_labels
from hinas.bench.report.panel_marks import dashes, fronts, names_with_devices
from hinas.bench.report.parameter_scale import ParameterScale
from hinas.bench.report.tradeoff import (
    Group,
    Panel,
    TradeoffPoint,
    denoising_entries,
    panels_of_ours,
    pareto_front,
    point_names,
    super_resolution_entries,
    tradeoff_panels,
    without_slower_times,
)
from hinas.bench.results.entries import Entry, Latency
from hinas.figures import new_figure, write_figure
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.text import Text
from matplotlib.transforms import Bbox
from PIL import Image

NOISY = "noisy input"
RUN = {"device": "cpu", "backend": "cpu", "precision": "fp32", "threads": 1}


def _entry(model: str, **given: Any) -> Entry:
    return Entry.model_validate({"model": model, "channels": 1, "origin": "measured", "source": "file"} | given)


def _latency(model: str, ms: float = 11.0, **changes: Any) -> Entry:
    given: dict[str, Any] = {"size": "481x321", "batch": 1, "latency_ms": Latency(p50=ms, runs=1, samples=(ms,))}
    return _entry(model, **RUN | given | changes)


def _quality(model: str, psnr_db: float | None, **changes: Any) -> Entry:
    given = {"psnr_db": psnr_db, "ssim": 0.8, "dataset": "pictures", "sigma": 30, "protocol": "standard"}
    return _entry(model, **RUN | given | changes)


def _published(model: str, psnr_db: float, **changes: Any) -> Entry:
    given = {"origin": "published", "dataset_time_s": 20.0, "num_images": 200, "device": "gpu", "backend": None}
    return _quality(model, psnr_db, **given | {"precision": None, "threads": None, "source": "paper"} | changes)


def _panels(*entries: Entry, size: str | None = "481x321", **options: Any) -> list[Panel]:
    return tradeoff_panels(entries, size, noisy_input=NOISY, **options)


def test_a_measured_latency_counts_before_the_time_for_the_whole_set() -> None:
    quality = _quality("a", 28.5, dataset_time_s=20.0, num_images=200)
    program = _quality("b", 28.0, dataset_time_s=20.0, num_images=200, image_size="481x321")
    (panel,) = _panels(_latency("a"), quality, program)
    assert [(point.model, point.time_ms) for point in panel.points] == [("a", 11.0), ("b", 100.0)]
    projected = _latency("a", 2.0, origin="projected", latency_range_ms=(1.0, 5.0), device="gpu", backend=None)
    (panel,) = _panels(_latency("a"), projected, quality)
    assert [(point.group.origin, point.time_ms) for point in panel.points] == [("measured", 11.0), ("projected", 2.0)]


@pytest.mark.parametrize(
    ("facts", "size", "is_point"),
    [
        ({"image_size": "481x321"}, "481x321", True),
        ({"image_size": "481x321"}, "321x481", True),
        ({"image_size": "64x48"}, "64x48", True),
        ({"image_size": "64x48"}, "481x321", False),
        ({"image_size": "various", "dataset": "test (200 images)"}, "481x321", False),
        # Results of earlier versions say no size: that of BSDS500's images is known.
        ({"dataset": "test (200 images)"}, "481x321", True),
        ({"dataset": "test (25 of 200 images)"}, "481x321", True),
        ({"dataset": "BSD68 (68 images)"}, "481x321", True),
        ({"dataset": "test (200 images)"}, "64x48", False),
        ({"dataset": "test (2 images)"}, "481x321", False),
        ({"dataset": "photos (200 images)"}, "481x321", False),
    ],
)
def test_the_time_for_a_set_counts_for_the_size_of_its_images_alone(
    facts: dict[str, Any], size: str, is_point: bool
) -> None:
    quality = _quality("program", 28.0, dataset_time_s=20.0, num_images=200, **facts)
    times = [point.time_ms for panel in _panels(quality, size=size) for point in panel.points]
    assert times == ([100.0] if is_point else [])


def test_a_latency_meets_the_quality_of_the_same_run() -> None:
    quality = _quality("a", 28.5)
    (panel,) = _panels(_latency("a"), quality, _quality(NOISY, 18.0))
    assert [(point.time_ms, point.quality) for point in panel.points] == [(11.0, 28.5)]
    assert panel.points[0].group == Group(origin="measured", device="cpu", protocol="standard", dataset="pictures")
    assert panel.noisy_quality == 18.0
    for latency in (
        _latency("b"),
        _latency("a", channels=3),
        _latency("a", device="other"),
        _latency("a", backend="openvino"),
        _latency("a", precision="int8"),
        _latency("a", size="64x64"),
        _latency("a", batch=2),
    ):
        assert _panels(latency, quality) == [], latency
    assert _panels(_latency("a"), _published("a", 29.0, dataset_time_s=None)) == []
    assert _panels(_latency("a"), _quality("a", None)) == []
    assert _panels(_latency("a"), _quality("a", None), quality="ssim")[0].points[0].quality == 0.8


def test_every_number_of_threads_is_a_point_of_its_own_with_a_name_of_its_own() -> None:
    (panel,) = _panels(_latency("a"), _latency("a", 6.0, threads=2), _quality("a", 28.5))
    assert [point.time_ms for point in panel.points] == [11.0, 6.0]
    assert point_names(panel.points) == ["a", "a 2 threads"]


def test_a_published_figure_is_a_point_by_itself() -> None:
    entries = (_published("a", 29.0), _published("a", 27.0, sigma=50), _published("b", 28.0, dataset_time_s=None))
    panels = _panels(*entries, _latency("a"), _quality("b", 28.0))
    assert [(panel.sigma, [point.time_ms for point in panel.points]) for panel in panels] == [
        (30, [100.0]),
        (50, [100.0]),
    ]
    assert _panels(*entries, size="64x64") == []


def test_levels_that_only_the_papers_have_get_no_panel_beside_ours() -> None:
    papers = [_published("paper's", 28.0 - sigma / 25, sigma=sigma) for sigma in (30, 50, 70)]
    panels = _panels(_latency("a"), _quality("a", 26.3, sigma=50), *papers)
    assert [panel.sigma for panel in panels] == [30, 50, 70]
    (own,) = panels_of_ours(panels)
    assert own.sigma == 50 and {point.model for point in own.points} == {"a", "paper's"}
    assert [panel.sigma for panel in panels_of_ours(_panels(*papers))] == [30, 50, 70]


def test_a_projected_time_meets_the_measured_quality_in_the_same_precision_once() -> None:
    changes = {"origin": "projected", "device": "gpu", "backend": "tensorrt", "latency_range_ms": (1.0, 3.0)}
    projected = _latency("a", 2.0, latency_ms=Latency(p50=2.0), **changes)
    qualities = (_quality("a", 28.5), _quality("a", 28.5, backend="openvino"), _quality("a", 28.1, precision="int8"))
    (panel,) = _panels(projected, *qualities)
    (point,) = panel.points
    assert (point.group.origin, point.group.device, point.quality) == ("projected", "gpu", 28.5)
    assert point.time_range_ms == (1.0, 3.0)
    assert _panels(projected, _published("a", 29.0, dataset_time_s=None)) == []


def test_super_resolution_is_apart() -> None:
    given = {"task": "super-resolution x3", "channels": 3, "sigma": None}
    entries = [_published("a", 29.0, dataset="BSD100", **given), _published("a", 33.0, dataset="Set5", **given)]
    entries.append(_published("a", 29.0))
    (panel,) = _panels(*super_resolution_entries(entries))
    assert (panel.task, panel.sigma, len(panel.points)) == ("super-resolution x3", None, 1)
    assert [panel.task for panel in _panels(*denoising_entries(entries))] == ["denoise"]


def test_measured_super_resolution_stands_beside_the_published_by_the_time_of_its_set() -> None:
    given = {"task": "super-resolution x3", "channels": 3, "sigma": None}
    here = {**given, "protocol": "sr-y", "dataset": "Set5 (5 images)", "num_images": 5}
    entries = [
        _published("a", 29.0, dataset="BSD100", **given),
        _quality("ours", 32.0, dataset_time_s=1.0, **here),
        _entry("bicubic", psnr_db=30.4, ssim=0.8, **here),
        # Of a small picture of this size, which is another thing than the time to make a large one of it.
        _latency("ours", **given),
    ]
    (panel,) = _panels(*super_resolution_entries(entries), size=None)
    assert {(point.model, point.time_ms) for point in panel.points} == {("a", 100.0), ("ours", 200.0)}
    (panel,) = tradeoff_panels(super_resolution_entries(entries), None, noisy_input="bicubic")
    assert panel.noisy_quality == 30.4


def _point(time_ms: float, quality: float, **changes: Any) -> TradeoffPoint:
    given: dict[str, Any] = {
        "model": "m",
        "conditions": ("", "", ""),
        "time_ms": time_ms,
        "time_range_ms": None,
        "quality": quality,
        "parameters": 1000,
        "group": Group(origin="measured", device="cpu", protocol="standard", dataset="pictures"),
    }
    return TradeoffPoint(**given | changes)


def test_labels_of_a_cluster_do_not_lie_on_each_other_or_on_markers() -> None:
    figure = new_figure(7, 4)
    axes = figure.subplots()
    axes.set(xlim=(0, 10), ylim=(0, 10))
    random = np.random.default_rng(0)
    places = random.normal(5, 0.7, (16, 2))
    labels = [Label(text=f"model {x:.3f}", x=x, y=y, radius_points=3) for x, y in places]
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    place_labels(axes, labels)
    figure.draw_without_rendering()
    boxes = [Text.get_window_extent(text) for text in axes.texts]
    assert len(boxes) == len(labels)
    for first, second in combinations(boxes, 2):
        assert Bbox.intersection(first, second) is None
    for x, y in axes.transData.transform(places):
        assert not any(box.contains(x, y) for box in boxes)


@given(st.lists(st.tuples(st.integers(1, 6), st.integers(1, 6)), max_size=12))
def test_a_front_holds_whatever_nothing_beats(pairs: list[tuple[int, int]]) -> None:
    points = [_point(time, quality) for time, quality in pairs]
    unbeaten = [
        (time, quality)
        for time, quality in pairs
        if not any(t <= time and q >= quality and (t, q) != (time, quality) for t, q in pairs)
    ]
    assert [(point.time_ms, point.quality) for point in pareto_front(points)] == sorted(unbeaten)


def _many(origin: Any, device: str, low_ms: float) -> list[TradeoffPoint]:
    group = Group(origin=origin, device=device, protocol="standard", dataset="pictures")
    is_projected = origin == "projected"
    return [
        _point(
            low_ms * 1.4**index,
            28 + (index % 5) / 10 - 3 * (index == 4),
            model=f"model {index}",
            parameters=None if index == 2 else 10**index,
            group=group,
            time_range_ms=(low_ms, low_ms * 100) if is_projected else None,
        )
        for index in range(10)
    ]


OURS = frozenset("abc")
TEXTS = FigureTexts(title="Title", conditions="$ Conditions $", warning=None)


def _panel_of(points: Sequence[TradeoffPoint], **changes: Any) -> Panel:
    given: dict[str, Any] = {"task": "denoise", "channels": 1, "sigma": 30, "quality": "psnr_db", "noisy_quality": 18.0}
    return Panel(points=tuple(points), **given | changes)


@pytest.mark.parametrize(
    ("points", "words"),
    [
        ([_point(10, 28.5, model="only")], ["only 28.50", "on cpu; images: pictures", "standard protocol", "measured"]),
        ([_point(10, 28.5, model="$\\frac{<b>&\n\x08"), _point(10, 28.5)], [r"$\frac{&lt;b&gt;&amp;"]),
        ([_point(1, 20.0, parameters=None), _point(35_000, 28.5, parameters=None)], ["m 20.00", "our models"]),
        (
            _many("measured", "cpu", 10) + _many("published", "old gpu", 100) + _many("projected", "gpu", 1),
            ["model 3 28.30", "model 4 ↓ 25.40", "on gpu", "time projected", "as published, on old gpu", "not known"],
        ),
    ],
    ids=["one", "no markup", "far apart", "thirty"],
)
def test_a_picture_bears_any_points(points: list[TradeoffPoint], words: list[str], tmp_path: Path) -> None:
    for name in ("one", "two"):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            figure = draw_tradeoff(_panel_of(points), TEXTS, ours=frozenset({"m", "only", "model 1", "model 3"}))
            for suffix in ("png", "svg"):
                write_figure(figure, tmp_path / f"{name}.{suffix}")
    with Image.open(tmp_path / "one.png") as picture:
        assert picture.width >= 900, "a README shows it 900 pixels wide"
        assert len(picture.convert("RGB").getcolors(1 << 24) or []) > 10
    drawing = (tmp_path / "one.svg").read_text()
    for text in ["Title", "$ Conditions $", "noisy input: 18.00 dB", *words]:
        assert text in drawing
    for suffix in ("png", "svg"):
        assert (tmp_path / f"one.{suffix}").read_bytes() == (tmp_path / f"two.{suffix}").read_bytes()


def _ways(*precisions: str) -> list[TradeoffPoint]:
    """Three models in every precision, the middle one beaten; and a peer."""
    ours = [
        _point(time / (1 + index), quality, model=model, conditions=("cpu", precision, "1 thread"))
        for index, precision in enumerate(precisions)
        for model, time, quality in (("a", 10.0, 28.0), ("b", 20.0, 27.9), ("c", 40.0, 28.3))
    ]
    return [*ours, _point(5.0, 29.0, model="peer", conditions=("cpu", "fp32", "1 thread"))]


def test_a_line_for_each_precision_goes_through_ours_that_nothing_of_ours_beats() -> None:
    found = fronts(_ways("int8", "fp32"), frozenset("abc"))
    assert [[(point.model, point.conditions[1]) for point in line] for line in found] == [
        [("a", "fp32"), ("c", "fp32")],
        [("a", "int8"), ("c", "int8")],
    ]
    assert len({str(dashes(precision)) for precision in ("fp32", "fp16", "bf16", "int8")}) == 4
    elsewhere = [
        _point(1, 28, group=Group(origin="published", device="x", protocol="standard", dataset="y"), model="a")
    ]
    assert fronts(elsewhere, frozenset("a")) == []


def test_the_legend_says_what_is_in_the_picture_and_what_must_not_be_compared() -> None:
    paper = Group(origin="published", device="gpu", protocol="hinas-patches", dataset="BSD200")
    alone, beside = (
        " ".join(text.get_text() for text in draw_tradeoff(_panel_of(points), TEXTS, ours=OURS).legends[0].get_texts())
        for points in (_ways("fp32"), [*_ways("fp32", "int8"), _point(3, 29, group=paper)])
    )
    for words in ("our models, fp32", "other methods (hollow)", "size: number of parameters (1 k)"):
        assert words in alone and words in beside
    for words in ("our models, int8", "Do not compare heights across these colours", "as published, on gpu"):
        assert words not in alone and words in beside


def test_labels_of_three_models_in_three_precisions_do_not_touch_each_other() -> None:
    figure = draw_tradeoff(_panel_of(_ways("fp32", "bf16", "int8")), TEXTS, ours=OURS)
    figure.draw_without_rendering()
    [axes] = figure.axes
    boxes = [Text.get_window_extent(text) for text in axes.texts if text.get_text()]
    assert len(boxes) == 10
    for first, second in combinations(boxes, 2):
        assert Bbox.intersection(first, second) is None


def test_the_more_parameters_the_larger_the_mark() -> None:
    scale = ParameterScale([10_000, 300_000, None, 30_000_000])
    sizes = [scale.diameter(number) for number in (None, 10_000, 300_000, 30_000_000)]
    assert sizes[0] == sizes[1] < sizes[2] < sizes[3]
    assert scale.examples() == [10_000, 30_000_000] and ParameterScale([None]).examples() == []
    alike = ParameterScale([300_000, 330_000])
    assert alike.diameter(330_000) - alike.diameter(300_000) < 1


def test_one_way_to_run_a_network_is_drawn_and_one_time_of_a_published_quality() -> None:
    old, new = (
        Group(origin="published", device=device, protocol="standard", dataset="BSD200") for device in ("980", "1080")
    )
    points = [
        *(_point(time, 28.0, conditions=(backend, "fp32", "")) for backend, time in (("cpu", 9.0), ("openvino", 7.0))),
        _point(4.0, 27.9, conditions=("openvino", "int8", "")),
        _point(400, 26.5, model="N3Net", group=new),
        _point(600, 26.5, model="N3Net", group=old),
        _point(600, 26.7, model="HiNAS", group=old),
        _point(80, 26.8, model="HiNAS", group=new),
    ]
    left = without_slower_times(_panel_of(points)).points
    assert [point.time_ms for point in left] == [7.0, 4.0, 400, 600, 80]
    assert names_with_devices(left)[2:] == ["N3Net", "HiNAS, 980", "HiNAS, 1080"]

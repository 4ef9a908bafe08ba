"""Networks from elsewhere become hinas models: what they compute, and how their tiles are shown right."""

from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from hinas.export.foreign import imported_network
from hinas.export.foreign.foreign_use import ForeignUse
from hinas.export.foreign.imported_network import imported
from hinas.export.foreign.trial import run_of
from hinas.export.reach.seen_halo import Run
from stand_ins.foreign_networks import (
    FREE,
    Net,
    bilinear,
    dncnn,
    dncnn_graph,
    excited,
    ffdnet,
    reflecting,
    rolled,
    unet,
    windows,
)

TOLD = ForeignUse(condition="sigma/255", level_range=(0, 75))
BLIND = ForeignUse()


@pytest.mark.parametrize(
    ("model", "use", "halo", "alignment"),
    [
        (dncnn(), BLIND, 4, 1),
        (dncnn(opset=9), BLIND, 4, 1),
        (ffdnet(["N", 1, "h", "w"]), TOLD, 7, 2),
        (ffdnet([1, 1, 1, 1]), TOLD, 7, 2),
        (ffdnet(["N", 1, "h", "w"], has_own_unshuffle=True), TOLD, 7, 2),
        (bilinear(), BLIND, 5, 2),
        (reflecting(), BLIND, 2, 4),
        (windows(), BLIND, 3, 4),
    ],
)
def test_the_halo_of_the_graph_is_the_one_that_is_seen(
    model: onnx.ModelProto, use: ForeignUse, halo: int, alignment: int
) -> None:
    network = imported(model, use)
    assert network.tiling.tiling == "exact", network.tiling.reason
    assert (network.tiling.halo, network.given.alignment) == (halo, alignment)
    assert network.tiling.seen_halo == halo


def test_a_u_net_is_exact_with_the_alignment_of_its_lowest_level() -> None:
    network = imported(unet(), TOLD)
    assert (network.tiling.tiling, network.given.alignment, network.inputs.form) == ("exact", 4, "channel")
    assert network.tiling.seen_halo is not None
    assert network.tiling.halo - 2 <= network.tiling.seen_halo <= network.tiling.halo


@pytest.mark.parametrize("predicts", ["image", "noise"])
@pytest.mark.parametrize(("values", "factor", "shift"), [("0..1", 1, 0), ("0..255", 255, 0), ("-1..1", 2, -1)])
def test_values_and_output_are_as_the_network_means_them(
    values: Any, factor: float, shift: float, predicts: Any
) -> None:
    net, output = dncnn_graph()
    original = net.model(output)
    network = imported(original, ForeignUse(values=values, predicts=predicts))
    noisy = np.random.default_rng(0).random((2, 1, 9, 7), np.float32)
    [theirs] = _run(original, {"x": (noisy * factor + shift).astype(np.float32)})
    expected = noisy - theirs / factor if predicts == "noise" else (theirs - shift) / factor
    np.testing.assert_allclose(_run(network.model, {"noisy": noisy})[0], expected, atol=1e-6)


@pytest.mark.parametrize(("condition", "factor"), [("sigma", 1.0), ("sigma/255", 1 / 255), ("sigma/127.5", 2 / 255)])
def test_the_noise_input_gets_what_the_condition_says(condition: str, factor: float) -> None:
    net = Net()
    model = net.model(net.add("Add", "x", "level"), ("x", FREE), ("level", ["N", 1, 1, 1]))
    network = imported(model, ForeignUse(condition=condition, level_range=(0, 75)))
    feeds = {"noisy": np.zeros((2, 1, 3, 3), np.float32), "sigma": np.array([10, 50], np.float32)}
    found = _run(network.model, feeds)[0]
    np.testing.assert_allclose(found[:, 0, 0, 0], np.array([10, 50]) * factor, rtol=1e-6)


def test_an_answer_that_is_not_a_number_is_seen_at_the_last_size_too(monkeypatch: pytest.MonkeyPatch) -> None:
    def spoilt_run_of(model: onnx.ModelProto) -> Run:
        run = run_of(model)

        def spoilt(feeds: Any) -> Any:
            is_last = "noisy" in feeds and feeds["noisy"].shape[2:] == (64, 96)
            return run(feeds) * np.float32(np.nan if is_last else 1)

        return spoilt

    monkeypatch.setattr(imported_network, "run_of", spoilt_run_of)
    with pytest.raises(RuntimeError, match="differs from the original by nan"):
        imported(dncnn(), BLIND)


def test_a_network_that_sees_the_whole_image_is_approximate() -> None:
    network = imported(excited(), BLIND)
    assert network.tiling.tiling == network.manifest().tiling == "approximate"
    assert network.tiling.reason == "GlobalAveragePool: looks at the whole image"


def test_a_network_whose_ends_see_each_other_is_approximate() -> None:
    network = imported(rolled(), BLIND)
    assert network.tiling.tiling == "approximate"
    assert network.tiling.reason == "outputs at the image's border see farther than those in its middle"


def test_dead_parts_do_not_hide_what_the_graph_allows() -> None:
    net = Net()
    far = net.conv("x", (1, 1), side=9)
    dead = net.add("Relu", net.add("Sub", far, np.array(1000, np.float32)))
    network = imported(net.model(net.add("Add", "x", dead)), BLIND)
    assert (network.tiling.halo, network.tiling.seen_halo) == (4, 0)


def test_an_operator_nobody_knows_makes_it_approximate_and_is_named() -> None:
    net = Net()
    value = net.add("CumSum", net.conv("x", (1, 1)), np.array(3))
    network = imported(net.model(net.add("Add", "x", value)), BLIND)
    assert network.tiling.tiling == "approximate"
    assert network.tiling.reason.startswith("CumSum: ")


def test_a_size_the_file_was_exported_for_is_freed_where_the_network_runs_on_others() -> None:
    net, noise = dncnn_graph()
    network = imported(net.model(net.add("Sub", "x", noise), ("x", [1, 1, 48, 64])), BLIND)
    assert network.inputs.fixed_size == (48, 64)
    assert network.compared_sizes == ((48, 64),)
    assert _run(network.model, {"noisy": np.zeros((2, 1, 10, 30), np.float32)})[0].shape == (2, 1, 10, 30)


def _run(model: onnx.ModelProto, feeds: dict[str, np.ndarray]) -> list[Any]:
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return list(session.run(None, feeds))

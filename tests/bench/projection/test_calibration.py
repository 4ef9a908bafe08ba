"""The projection's shares: a fit finds those that measurements were made with."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from hinas.bench.latency.timed_method import Size
from hinas.bench.projection.efficiency_fit import fitted_efficiency, left_out_projections_ms
from hinas.bench.projection.engine_kernels import KernelWork, layers_of
from hinas.bench.projection.known_networks import dncnn, ffdnet, separable_chain
from hinas.bench.projection.roofline import A_PRIORI, Calibration, Roof, project_layers

SIZE = Size(width=64, height=48)
ROOF = Roof(
    device="d",
    precision="fp32",
    macs_per_s=60e9,
    grouped_macs_per_s=60e9,
    bytes_per_s=30e9,
    launch_s=1e-6,
    out_channel_multiple=16,
)
TRUE = Calibration(dense=0.9, pointwise=0.5, grouped=0.15, memory=0.6, range_factors=(1, 1), source="made up")


@cache
def _networks() -> list[list[KernelWork]]:
    models = [
        dncnn(depth=4, width=16),
        dncnn(depth=5, width=40),
        dncnn(3, depth=3, width=24),
        ffdnet(depth=5, width=48),
        separable_chain(depth=3, width=16),
        separable_chain(depth=4, width=32, kernel=5),
        separable_chain(depth=2, width=64),
    ]
    return [layers_of(model, SIZE, value_bytes=4) for model in models]


def _latencies(calibration: Calibration) -> list[float]:
    return [project_layers(layers, SIZE, ROOF, calibration).latency_ms for layers in _networks()]


def test_a_fit_recovers_the_shares_that_made_the_measurements() -> None:
    # A share shows only where it bounds: with this memory some layers of each kind are bound by each.
    roof = replace(ROOF, bytes_per_s=10e9)
    latencies = [project_layers(layers, SIZE, roof, TRUE).latency_ms for layers in _networks()]
    found = fitted_efficiency(_networks(), latencies, roof)
    for name in ("dense", "pointwise", "grouped", "memory"):
        assert getattr(found, name) == pytest.approx(getattr(TRUE, name), rel=0.05), name
    assert found.range_factors == pytest.approx((1, 1), abs=0.02)


def test_networks_left_out_are_projected_from_the_others_alone() -> None:
    latencies = _latencies(TRUE)
    assert left_out_projections_ms(_networks(), latencies, ROOF) == pytest.approx(latencies, rel=0.15)
    wrong = [latencies[0] * 100, *latencies[1:]]
    assert left_out_projections_ms(_networks(), wrong, ROOF)[0] == pytest.approx(latencies[0], rel=0.15)


def test_noise_is_told_in_the_range() -> None:
    random = np.random.default_rng(0)
    latencies = [ms * float(np.exp(random.normal(0, 0.2))) for ms in _latencies(TRUE)]
    found = fitted_efficiency(_networks(), latencies, ROOF)
    low, high = found.range_factors
    assert low < 1 < high
    for layers, measured in zip(_networks(), latencies, strict=True):
        projected = project_layers(layers, SIZE, ROOF, found)
        assert projected.range_ms[0] * 0.999 <= measured <= projected.range_ms[1] * 1.001


def test_what_no_network_tells_stays_as_it_was_before() -> None:
    dense = [layers for layers in _networks() if all(layer.kind in ("dense", "other") for layer in layers)]
    latencies = [project_layers(layers, SIZE, ROOF, TRUE).latency_ms for layers in dense]
    found = fitted_efficiency(dense, latencies, ROOF)
    assert found.grouped == pytest.approx(A_PRIORI.grouped)
    assert found.dense == pytest.approx(TRUE.dense, rel=0.05)

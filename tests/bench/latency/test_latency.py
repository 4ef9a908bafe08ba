"""What is timed, in which order, and how figures come of it; processes are played."""

import os
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hinas.bench.devices.environment import describe_machine
from hinas.bench.latency import measure_latency as latency_module
from hinas.bench.latency.measure_latency import MeasuredLatency, Rounds, latency_of, measure_latency, progress_steps
from hinas.bench.latency.timed_method import Size, TimedMethod
from hinas.bench.methods import session_methods as session_methods_module
from hinas.bench.methods.open_networks import Variants
from hinas.bench.methods.peak_probes import shares_of_peak
from hinas.bench.methods.session_methods import fitting, session_methods
from hinas.bench.results.entries import ColdStart, Entry
from hinas.bench.results.result_texts import labels, relative_spread
from hinas.errors import UserError
from hinas.runtime.engines.gpu import Gpu
from hypothesis import given
from hypothesis import strategies as st

H200 = Gpu(name="NVIDIA H200", compute_capability=(9, 0), num_multiprocessors=132, memory_bytes=141 * 2**30)
SIZE = Size(width=64, height=48)


def _timed(name: str, bytes_per_pixel: int = 0, **facts: Any) -> TimedMethod:
    return TimedMethod(name=name, request={}, facts=facts, bytes_per_pixel=lambda: bytes_per_pixel)


class _Played:
    """A worker without a process. `runs`: the names in the order of all runs."""

    runs: list[str]

    def __init__(self, method: TimedMethod, size: Size) -> None:
        self.method, self.size, self.library = method, method.own_size or size, "played"
        self.cold_start = ColdStart(import_ms=1, load_ms=1, first_run_ms=1)

    def __enter__(self) -> "_Played":
        return self

    def __exit__(self, *_: object) -> None: ...

    def start(self) -> None:
        self.runs.append(f"start {self.method.name}")

    def run(self) -> dict[str, float]:
        self.runs.append(self.method.name)
        return {"ms": 2.0, "transfer_in_ms": 0.5, "transfer_out_ms": 0.25}

    def totals(self) -> dict[str, Any]:
        return {"peak_memory_bytes": 1, "peak_device_bytes": 2, "energy_j": 3.0}


def test_every_round_runs_every_method_once_and_another_one_first(monkeypatch: pytest.MonkeyPatch) -> None:
    _Played.runs = []
    monkeypatch.setattr(latency_module, "MethodProcess", _Played)
    names = ["a", "b", "c"]
    steps: list[None] = []
    rounds = Rounds(fewest=9, seconds=0, starts=2)
    measured = measure_latency(
        [_timed(name) for name in names], SIZE, rounds=rounds, progress=lambda: steps.append(None)
    )
    assert len(steps) == progress_steps(3, rounds)
    warm_up = [name for method in names for name in (f"start {method}", *[method] * 3)]
    rest = _Played.runs
    for done in (5, 4):
        assert rest[: len(warm_up)] == warm_up, "one process is at work at a time"
        played = np.reshape(rest[len(warm_up) :][: 3 * done], (done, 3))
        assert [sorted(row) for row in played] == [names] * done
        assert [row[0] for row in played] == [*names, *names][:done]
        rest = rest[len(warm_up) + 3 * done :]
    assert not rest
    for item in measured:
        assert item.latency.runs == 9
        assert item.latency.warm_up_runs == 6
        assert (item.transfer_in_ms, item.transfer_out_ms, item.energy_j, item.peak_device_bytes) == (0.5, 0.25, 3, 2)


def _measured(timed: TimedMethod, *samples: float, size: Size = SIZE) -> MeasuredLatency:
    statistics = latency_of(samples, warm_up_runs=3, is_warm=True, cold_start=None)
    return MeasuredLatency(method=timed, size=size, latency=statistics, library="l", peak_memory_bytes=None)


def test_the_share_of_the_peak_is_that_of_the_same_backend_and_precision() -> None:
    fp32 = _timed("peak fp32", macs_per_pixel=1000.0)
    int8 = _timed("peak int8", macs_per_pixel=1000.0)
    net = _timed("net", backend="cpu", precision="fp32", macs_per_pixel=100.0)
    fast = _timed("fast", backend="cpu", precision="int8", macs_per_pixel=100.0)
    other = _timed("other", backend="tensorrt", precision="fp32", macs_per_pixel=100.0)
    small = Size(width=32, height=24)
    measured = [
        _measured(net, 10, 12, 14),
        _measured(fast, 4),
        _measured(other, 4),
        _measured(_timed("classical"), 4),
        _measured(fp32, 15, 20, size=small),
        _measured(int8, 5, size=small),
    ]
    shares = shares_of_peak(measured, {("cpu", "fp32"): fp32, ("cpu", "int8"): int8})
    # 0.1 of the multiply-adds on 4 times the pixels.
    assert shares == pytest.approx({"net": 0.4 * 15 / 12, "fast": 0.4 * 5 / 4})


@given(st.lists(st.floats(0.1, 1e4), min_size=1, max_size=30), st.floats(0.01, 100))
def test_the_spread_is_no_matter_of_the_unit(samples: list[float], factor: float) -> None:
    spread = relative_spread(samples)
    assert 0 <= spread <= (max(samples) - min(samples)) / np.median(samples) + 1e-9
    assert relative_spread([factor * sample for sample in samples]) == pytest.approx(spread, rel=1e-6, abs=1e-9)


def test_what_does_not_fit_is_left_out_the_largest_first(monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = 64 * 48
    monkeypatch.setattr(session_methods_module, "available_bytes", lambda: int(100 * pixels / 0.8) + pixels)
    left: list[str] = []
    methods = [_timed("ours", 40), _timed("huge", 70), _timed("mid", 50), _timed("small", 10)]
    kept = fitting(methods, [Size(width=8, height=8), SIZE], required=1, leave_out=left.append)
    assert ([method.name for method in kept], left) == (["ours", "mid", "small"], ["huge"])


def _entry(model: str, backend: str | None, precision: Any, **quality: Any) -> Entry:
    figures = quality or {
        "latency_ms": latency_of([1.0], warm_up_runs=1, is_warm=True, cold_start=None),
        "device": "d",
        "size": "8x8",
        "batch": 1,
    }
    return Entry(
        model=model, channels=1, origin="measured", backend=backend, precision=precision, source="s", **figures
    )


def test_variants_of_one_model_are_told_apart_by_name() -> None:
    entries = [_entry("net", "cpu", "fp32"), _entry("net", "openvino", "fp32"), _entry("nlm", None, None)]
    assert labels(entries) == ["net cpu fp32", "net openvino fp32", "nlm"]
    assert labels(entries[1:]) == ["net", "nlm"]


def test_the_machine_says_which_processors_may_be_used() -> None:
    machine = describe_machine()
    if hasattr(os, "sched_getaffinity"):
        assert machine.affinity == tuple(sorted(os.sched_getaffinity(0)))
        assert machine.logical_cores == len(machine.affinity)


def test_a_classical_algorithm_is_held_to_its_processors() -> None:
    if not hasattr(os, "sched_setaffinity"):
        pytest.skip("this system lets no process choose its processors")
    program = (
        "import os; from hinas.bench.latency.open_method import open_method; "
        "s = open_method({'classical': 'nlm', 'threads': 1, 'width': 20, 'height': 16}); "
        "assert s.run()['ms'] > 0; print(len(os.sched_getaffinity(0)), s.library)"
    )
    result = subprocess.run([sys.executable, "-P", "-c", program], capture_output=True, text=True, check=True)
    assert result.stdout.startswith("1 scikit-image ")


def test_a_peer_whose_package_is_missing_is_left_out_and_the_others_run(
    models: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "bm3d", None)
    monkeypatch.setattr(session_methods_module, "available_bytes", lambda: 2**60)
    monkeypatch.setattr(
        "hinas.bench.methods.session_methods.peer_names",
        lambda text, _: ("nlm", "bm3d") if text == "all" else (text,),
    )
    notes: list[str] = []
    arrange = partial(
        session_methods, [str(models["gray"])], peer_weights={}, sizes=[SIZE], variants=Variants(), folder=tmp_path,
        note=notes.append,
    )  # fmt: skip
    found = arrange(peers="all")
    assert ([timed.name for timed in found.timed], found.classical) == (["gray", "NLM"], ("nlm",))
    assert len(notes) == 1 and notes[0].startswith("note: bm3d left out: BM3D needs the package bm3d")
    assert arrange(peers="bm3d").classical == ()
    assert len(notes) == 2 and notes[1] == notes[0]
    (tmp_path / "FFDNet.onnx").write_bytes(models["gray"].read_bytes())
    with pytest.raises(UserError, match="a model is called FFDNet too"):
        session_methods(
            [str(tmp_path / "FFDNet.onnx")], "ffdnet", {}, sizes=[SIZE], variants=Variants(), folder=tmp_path,
            note=notes.append,
        )  # fmt: skip

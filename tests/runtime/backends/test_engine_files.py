"""Engine files and their cache: whole or not at all, one build for each key, damage is rebuilt."""

import subprocess
import sys
import types
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
from hinas.errors import UserError
from hinas.runtime.engines.engine_cache import cached_engine, default_cache_folder
from hinas.runtime.engines.engine_file import (
    DamagedEngineError,
    Engine,
    EngineKey,
    InputShapes,
    read_engine,
    write_engine,
)
from hinas.runtime.engines.gpu import Gpu, first_gpu
from hinas.runtime.model.manifest import ModelManifest
from hypothesis import given, settings
from hypothesis import strategies as st

GPU = Gpu(name="NVIDIA H200", compute_capability=(9, 0), num_multiprocessors=132, memory_bytes=141 * 2**30)
NOISY = InputShapes(name="noisy", smallest=(1, 1, 2, 2), typical=(1, 1, 64, 64), largest=(4, 1, 64, 64))
KEY = EngineKey(
    model_sha256="0" * 64,
    inputs=(NOISY,),
    precision="fp32",
    optimisation_level=3,
    workspace_bytes=None,
    version_compatible=False,
    hardware_compatible=False,
    tensorrt_version="10.16.1.11",
    gpu=GPU,
    recipe=1,
)
OTHER: dict[str, Any] = {
    "model_sha256": "1" * 64,
    "inputs": (replace(NOISY, typical=(1, 1, 32, 64)),),
    "precision": "fp16",
    "optimisation_level": 4,
    "workspace_bytes": 2**30,
    "version_compatible": True,
    "hardware_compatible": True,
    "tensorrt_version": "10.16.1.12",
    "gpu": GPU,
    "recipe": 2,
}
OTHER_GPUS: dict[str, Any] = {
    "name": "NVIDIA H100",
    "compute_capability": (9, 1),
    "num_multiprocessors": 131,
    "memory_bytes": 80 * 2**30,
}
MANIFEST = ModelManifest(channels=1, halo=5, alignment=2, conditioned=False, weights="trained", genotype="{}")
ENGINE = Engine(key=KEY, manifest=MANIFEST, layers='{"Layers": []}', plan=bytes(range(256)) * 40)


def test_an_engine_file_gives_back_what_was_written(tmp_path: Path) -> None:
    path = tmp_path / "a.engine"
    write_engine(ENGINE, path)
    assert read_engine(path) == ENGINE


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_no_damage_goes_unseen(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    path = tmp_path_factory.mktemp("engine") / "a.engine"
    write_engine(ENGINE, path)
    whole = path.read_bytes()
    at = data.draw(st.integers(0, len(whole) - 1))
    changed = bytearray(whole)
    changed[at] ^= data.draw(st.integers(1, 255))
    for damaged in (whole[:at], bytes(changed), whole + b"x", b"", whole[:at] + whole[at + 1 :]):
        path.write_bytes(damaged)
        with pytest.raises(DamagedEngineError, match="or damaged; build it with hinas-export --engine"):
            read_engine(path)


def test_a_missing_engine_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no\.engine: cannot read the engine file \(No such file or directory\)"):
        read_engine(tmp_path / "no.engine")


def test_every_part_of_a_key_makes_another_engine() -> None:
    assert set(OTHER) == {field.name for field in fields(EngineKey)}
    assert set(OTHER_GPUS) == {field.name for field in fields(Gpu)}
    keys = [KEY, *(replace(KEY, **{name: value}) for name, value in OTHER.items() if name != "gpu")]
    keys += [replace(KEY, gpu=replace(GPU, **{name: value})) for name, value in OTHER_GPUS.items()]
    assert len({key.digest for key in keys}) == len(keys)
    assert [EngineKey.from_json(key.to_json()) for key in keys] == keys


def _counting(engine: Engine) -> tuple[list[int], Callable[[], Engine]]:
    builds: list[int] = []

    def build() -> Engine:
        builds.append(1)
        return engine

    return builds, build


def test_an_engine_is_built_once_and_then_found(tmp_path: Path) -> None:
    builds, build = _counting(ENGINE)
    first = cached_engine(tmp_path / "engines", KEY, build)
    assert cached_engine(tmp_path / "engines", KEY, build) == first
    assert read_engine(first) == ENGINE
    assert len(builds) == 1


def test_truncated_changed_and_foreign_engines_are_built_anew(tmp_path: Path) -> None:
    builds, build = _counting(ENGINE)
    path = cached_engine(tmp_path, KEY, build)
    whole = path.read_bytes()
    write_engine(replace(ENGINE, key=replace(KEY, tensorrt_version="8.6.1")), path)
    foreign = path.read_bytes()
    notes: list[str] = []
    for content in (whole[:100], whole[:-1], whole[:500] + b"?" + whole[501:], b"", foreign):
        path.write_bytes(content)
        assert read_engine(cached_engine(tmp_path, KEY, build, note=notes.append)) == ENGINE
    assert len(builds) == 6
    assert len(notes) == 4
    assert "damaged; the engine is built anew" in notes[0]


@pytest.mark.parametrize("error", [KeyboardInterrupt(), UserError("TensorRT could not build the engine")])
def test_a_build_that_ends_early_leaves_nothing_new_and_the_lock_free(tmp_path: Path, error: BaseException) -> None:
    def failing() -> Engine:
        raise error

    path = cached_engine(tmp_path, KEY, _counting(ENGINE)[1])
    with pytest.raises(type(error)):
        cached_engine(tmp_path, replace(KEY, recipe=2), failing)
    assert list(tmp_path.glob("*.engine")) == [path]
    assert not list(tmp_path.glob(".hinas-*"))
    other = replace(ENGINE, key=replace(KEY, recipe=2))
    assert read_engine(cached_engine(tmp_path, other.key, _counting(other)[1])) == other


def test_a_full_disk_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.engine"
    write_engine(ENGINE, path)

    def full(self: Path, content: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(UserError, match=r"could not be written \(No space left on device\)"):
        write_engine(replace(ENGINE, plan=b"other"), path)
    assert read_engine(path) == ENGINE
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"file/engines: cannot keep engines here"):
        cached_engine(tmp_path / "file" / "engines", KEY, _counting(ENGINE)[1])


_PROCESS = """
import sys, time
from pathlib import Path
from dataclasses import replace
from hinas.runtime.engines.engine_cache import cached_engine
from hinas.runtime.engines.engine_file import Engine, read_engine

folder = Path(sys.argv[1])
model = read_engine(folder / "template.engine")

def build():
    with (folder / "builds.txt").open("a") as record:
        record.write("built\\n")
    time.sleep(0.5)
    return replace(model, plan=b"plan " * 200_000)

print("ready", flush=True)
sys.stdin.readline()
path = cached_engine(folder / "engines", model.key, build)
print(len(read_engine(path).plan))
"""


def test_processes_that_want_the_same_engine_at_once_build_it_once_and_read_it_whole(tmp_path: Path) -> None:
    write_engine(ENGINE, tmp_path / "template.engine")
    pipe = subprocess.PIPE
    command = [sys.executable, "-c", _PROCESS, str(tmp_path)]
    processes = [subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) for _ in range(3)]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    assert [process.communicate(timeout=60)[0] for process in processes] == ["1000000\n"] * 3
    assert (tmp_path / "builds.txt").read_text() == "built\n"
    assert len(list((tmp_path / "engines").glob("*.engine"))) == 1


def test_the_default_folder_is_the_users_own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_cache_folder().parts[-2:] == ("hinas", "engines")


def _install_pycuda(monkeypatch: pytest.MonkeyPatch, **names: Any) -> None:
    driver = types.ModuleType("pycuda.driver")
    vars(driver).update(names)
    package = types.ModuleType("pycuda")
    vars(package).update(driver=driver)
    monkeypatch.setitem(sys.modules, "pycuda", package)
    monkeypatch.setitem(sys.modules, "pycuda.driver", driver)


class _CudaError(Exception):
    pass


class _Device:
    def __init__(self, index: int) -> None:
        assert index == 0

    def name(self) -> str:
        return "NVIDIA H200"

    def compute_capability(self) -> tuple[int, int]:
        return (9, 0)

    def get_attribute(self, attribute: str) -> int:
        assert attribute == "multiprocessors"
        return 132

    def total_memory(self) -> int:
        return 141 * 2**30


def test_the_gpu_is_described_by_pycuda(monkeypatch: pytest.MonkeyPatch) -> None:
    attributes = types.SimpleNamespace(MULTIPROCESSOR_COUNT="multiprocessors")
    _install_pycuda(monkeypatch, init=lambda: None, Device=_Device, Error=_CudaError, device_attribute=attributes)
    assert first_gpu() == GPU


def test_without_a_gpu_or_a_driver_one_line_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_device() -> None:
        raise _CudaError("cuInit failed: no CUDA-capable device is detected")

    _install_pycuda(monkeypatch, init=no_device, Error=_CudaError)
    with pytest.raises(UserError, match="no usable GPU: cuInit failed: no CUDA-capable device is detected"):
        first_gpu()
    monkeypatch.setitem(sys.modules, "pycuda.driver", None)
    monkeypatch.delattr(sys.modules["pycuda"], "driver")
    with pytest.raises(UserError, match="no usable GPU: pycuda or NVIDIA's driver is missing"):
        first_gpu()

"""The table of GPUs: whole, found under any spelling, honest about what runs on them."""

import pytest
from hinas.bench.devices.gpu_plan import device_present, version_warnings
from hinas.bench.devices.profile import DeviceProfile, device_profile, device_profiles
from hinas.errors import UserError
from hinas.runtime.engines.gpu import Gpu
from pydantic import ValidationError


@pytest.mark.parametrize("profile", device_profiles(), ids=lambda profile: profile.aliases[0])
def test_every_row_is_plausible(profile: DeviceProfile) -> None:
    fp32 = profile.peaks["fp32"]
    assert fp32.units == "plain"
    for precision, peak in profile.peaks.items():
        assert peak.tera_ops >= fp32.tera_ops
        assert profile.channel_multiple(precision) in ((1, 4) if peak.units == "plain" else (8, 32))
    # A card reads all its memory within a second, and computes more than it can fetch operands for.
    assert profile.memory_bytes < profile.bandwidth_bytes_s < fp32.tera_ops * 1e12 / 4
    assert ("bf16" in profile.peaks) == (profile.compute_capability >= (8, 0))
    assert device_profile(profile.name) == profile
    for alias in profile.aliases:
        assert device_profile(alias) == profile


def test_no_name_is_given_twice() -> None:
    names = [name for profile in device_profiles() for name in profile.aliases]
    assert len(names) == len(set(names))


@pytest.mark.parametrize(
    "spelling", ["1080ti", "1080 Ti", "GTX 1080 Ti", "gtx-1080-ti", "GeForce GTX 1080 Ti", "NVIDIA GeForce GTX 1080 Ti"]
)
def test_spelling_does_not_matter(spelling: str) -> None:
    assert device_profile(spelling).name == "GeForce GTX 1080 Ti"


@pytest.mark.parametrize("name", ["1080", "3090 Ti", "", "voodoo"])
def test_an_unknown_name_is_answered_with_those_there_are(name: str) -> None:
    with pytest.raises(UserError, match=r"no such GPU.*1080ti \(GeForce GTX 1080 Ti\).*h200"):
        device_profile(name)


def test_fp16_is_not_offered_where_it_is_slower_than_fp32() -> None:
    profile = device_profile("1080ti")
    assert profile.precisions == ("fp32", "int8")
    with pytest.raises(UserError, match="no usable fp16; it has fp32, int8"):
        profile.peak("fp16")


def test_a_row_without_fp32_or_sources_is_refused() -> None:
    row = device_profile("a100").model_dump()
    with pytest.raises(ValidationError, match="lacks fp32"):
        DeviceProfile.model_validate(row | {"peaks": {"fp16": row["peaks"]["fp16"]}})
    with pytest.raises(ValidationError, match="sources is empty"):
        DeviceProfile.model_validate(row | {"sources": ()})


@pytest.mark.parametrize(
    ("gpu", "tensorrt", "onnxruntime", "expected"),
    [
        ("1080ti", "8.6.1", "1.22.1", []),
        ("1080ti", "10.0.1", None, ["TensorRT 10.0.1 does not run on GeForce GTX 1080 Ti; the last that does is 8.6"]),
        ("1080ti", None, "1.23.2", ["reported to crash"]),
        ("1080ti", None, "1.31.1", ["the last that has code for it is 1.26"]),
        ("980", "8.6.1", "1.22.0", ["has no code for GeForce GTX 980"]),
        ("v100", "10.4.0", "1.26.0", []),
        ("v100", "11.4.0.106", "1.31.1", ["TensorRT 11.4.0.106 does not run", "onnxruntime-gpu 1.31.1 does not run"]),
        ("2080ti", "11.4.0", "1.31.1", []),
        ("h200", None, None, []),
    ],
)
def test_versions_that_do_not_run_are_named(
    gpu: str, tensorrt: str | None, onnxruntime: str | None, expected: list[str]
) -> None:
    warnings = version_warnings(device_profile(gpu), tensorrt, onnxruntime)
    assert len(warnings) == len(expected)
    for warning, words in zip(warnings, expected, strict=True):
        assert words in warning


def _gpu(name: str, capability: tuple[int, int]) -> Gpu:
    return Gpu(name=name, compute_capability=capability, num_multiprocessors=1, memory_bytes=2**30)


@pytest.mark.parametrize(
    ("asked", "found", "capability", "is_present"),
    [
        ("1080ti", "NVIDIA GeForce GTX 1080 Ti", (6, 1), True),
        ("1080ti", "NVIDIA GeForce GTX 1080", (6, 1), False),
        ("3090", "NVIDIA GeForce RTX 3090 Ti", (8, 6), False),
        ("a100", "NVIDIA A100-SXM4-80GB", (8, 0), True),
        ("a100", "NVIDIA A100-PCIE-40GB", (8, 0), False),
        ("v100", "Tesla V100-SXM2-16GB", (7, 0), True),
        ("h100", "NVIDIA H100 80GB HBM3", (9, 0), True),
        ("h200", "NVIDIA H200", (9, 0), True),
    ],
)
def test_a_gpu_in_this_machine_is_recognised(
    asked: str, found: str, capability: tuple[int, int], is_present: bool
) -> None:
    assert device_present(device_profile(asked), lambda: _gpu(found, capability)) == is_present


def test_a_machine_without_a_gpu_has_none() -> None:
    def none() -> Gpu:
        raise UserError("no usable GPU")

    assert not device_present(device_profile("h200"), none)

"""The manifest: what a model file says of itself, and the words when it says it wrongly."""

from dataclasses import replace

import pytest
from hinas.errors import UserError
from hinas.network_input import NetworkInput
from hinas.runtime.model.manifest import FloatArithmetic, ModelManifest

CONDITIONED = ModelManifest(
    channels=3,
    halo=45,
    alignment=2,
    conditioned=True,
    sigma_range=(0, 75),
    weights="trained",
    genotype='{"format": "hinas-genotype"}',
    training='{"iterations": 10}',
)


def test_metadata_round_trip() -> None:
    assert ModelManifest.from_metadata(CONDITIONED.to_metadata()) == CONDITIONED


def test_round_trip_without_a_sigma_range() -> None:
    blind = ModelManifest(channels=1, halo=0, conditioned=False, weights="random", genotype="{}")
    assert "hinas.sigma_range" not in blind.to_metadata()
    assert ModelManifest.from_metadata(blind.to_metadata()) == blind


@pytest.mark.parametrize("floating", ["fp32", "bf16", None])
def test_what_floating_point_layers_were_checked_in_comes_back(floating: FloatArithmetic | None) -> None:
    checked = replace(CONDITIONED, precision="int8", float_arithmetic=floating)
    assert ("hinas.float_arithmetic" in checked.to_metadata()) == (floating is not None)
    assert ModelManifest.from_metadata(checked.to_metadata()) == checked


def test_a_certificate_comes_back_and_older_files_have_none() -> None:
    assert CONDITIONED.certificate is None
    assert "hinas.certificate" not in CONDITIONED.to_metadata()
    certified = replace(CONDITIONED, certificate='{"images": []}')
    assert ModelManifest.from_metadata(certified.to_metadata()) == certified


def test_written_form_is_the_contracts() -> None:
    metadata = CONDITIONED.to_metadata()
    assert metadata["hinas.sigma_range"] == "0:75"
    assert metadata["hinas.conditioned"] == "true"
    assert metadata["hinas.halo"] == "45"
    assert metadata["hinas.tiling"] == "exact"


def test_a_file_from_before_the_entry_takes_float() -> None:
    metadata = CONDITIONED.to_metadata()
    del metadata["hinas.io"]
    assert ModelManifest.from_metadata(metadata) == CONDITIONED
    pixels = replace(CONDITIONED, io="uint8")
    assert ModelManifest.from_metadata(pixels.to_metadata()) == pixels


def test_a_file_from_before_the_entry_is_for_denoising_and_stays_the_same() -> None:
    assert CONDITIONED.task == "denoise"
    assert "hinas.task" not in CONDITIONED.to_metadata()
    enlarging = replace(CONDITIONED, task="super-resolution", scale=3)
    assert enlarging.to_metadata()["hinas.task"] == "super-resolution"
    assert ModelManifest.from_metadata(enlarging.to_metadata()) == enlarging


def test_the_networks_input_as_one_value() -> None:
    assert replace(CONDITIONED, scale=2).network_input == NetworkInput(
        channels=3, alignment=2, scale=2, level_range=(0, 75)
    )
    told_nothing = replace(CONDITIONED, conditioned=False, sigma_range=(30, 30))
    assert told_nothing.network_input.level_range is None


def test_foreign_entries_are_ignored() -> None:
    assert ModelManifest.from_metadata({**CONDITIONED.to_metadata(), "author": "x"}) == CONDITIONED


def test_a_foreign_model_is_named_so() -> None:
    with pytest.raises(UserError, match=r"not a hinas model: .*; hinas-export --import FILE makes one"):
        ModelManifest.from_metadata({"author": "x"})
    with pytest.raises(UserError, match=r"not a hinas model: .* lacks .*hinas\.genotype"):
        ModelManifest.from_metadata({"hinas.halo": "3"})


@pytest.mark.parametrize(
    ("key", "text", "allowed"),
    [
        ("halo", "-1", "at least 0"),
        ("halo", "big", "a whole number"),
        ("alignment", "0", "at least 1"),
        ("tiling", "blurry", "exact, approximate"),
        ("precision", "fp8", "fp32, fp16, bf16, int8"),
        ("io", "png", "float, uint8"),
        ("weights", "good", "trained, random"),
        ("channels", "4", "1 or 3"),
        ("conditioned", "yes", "true, false"),
        ("sigma_range", "75", "LOW:HIGH"),
        ("sigma_range", "75:0", "LOW <= HIGH"),
        ("sigma_range", "nan:75", "LOW <= HIGH"),
        ("genotype", "{", "JSON object"),
        ("training", "[]", "JSON object"),
        ("certificate", "[]", "JSON object"),
        ("float_arithmetic", "fp16", "fp32, bf16"),
        ("scale", "x2", "a whole number"),
        ("scale", "0", "from 1 to 16"),
        ("scale", "4000", "from 1 to 16"),
        ("task", " ", "the name of a task"),
    ],
)
def test_an_error_names_the_key_what_stood_there_and_what_is_allowed(key: str, text: str, allowed: str) -> None:
    with pytest.raises(UserError) as caught:
        ModelManifest.from_metadata({**CONDITIONED.to_metadata(), f"hinas.{key}": text})
    assert f"hinas.{key} is " in str(caught.value)
    assert allowed in str(caught.value)


def test_a_conditioned_model_needs_a_range() -> None:
    metadata = CONDITIONED.to_metadata()
    del metadata["hinas.sigma_range"]
    with pytest.raises(UserError, match=r"hinas\.sigma_range is None; allowed: a range"):
        ModelManifest.from_metadata(metadata)

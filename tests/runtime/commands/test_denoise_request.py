"""The texts of options as a person types them."""

import pytest
from hinas.errors import UserError
from hinas.runtime.denoise_request import bytes_of, sigma_factor_of, sigma_of, tile_of


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2GiB", 2**31),
        ("512MiB", 2**29),
        ("1.5 gib", 3 * 2**29),
        ("1G", 2**30),
        ("1gb", 10**9),
        ("1TiB", 2**40),
        ("2 TB", 2 * 10**12),
        ("800000000", 800_000_000),
    ],
)
def test_sizes(text: str, expected: int) -> None:
    assert bytes_of(text) == expected


@pytest.mark.parametrize("text", ["", "2TB?", "-1GiB", "0", "many", "1e9", "GiB"])
def test_sizes_that_are_none(text: str) -> None:
    with pytest.raises(UserError, match="allowed: a size such as 2GiB or 512MiB"):
        bytes_of(text)


def test_auto_is_none() -> None:
    assert sigma_of("auto") is None
    assert tile_of("auto") is None


def test_numbers() -> None:
    assert sigma_of("12.5") == 12.5
    assert tile_of("256") == 256


@pytest.mark.parametrize(("text", "factor"), [("auto", 1), ("12.5", 1), ("auto*1.5", 1.5), ("auto*4", 4)])
def test_the_factor_of_a_measured_level(text: str, factor: float) -> None:
    assert sigma_factor_of(text) == factor


def test_a_level_that_is_multiplied_is_measured() -> None:
    assert sigma_of("auto*1.5") is None


@pytest.mark.parametrize("text", ["auto*0", "auto*4.1", "auto*-1", "auto*", "auto*much", "auto*nan"])
def test_factors_that_are_none(text: str) -> None:
    with pytest.raises(UserError, match=r"allowed after auto\*: a number above 0 and up to 4, such as auto\*1\.5"):
        sigma_factor_of(text)


@pytest.mark.parametrize("text", ["-3", "2.5", "big", "0"])
def test_tiles_that_are_none(text: str) -> None:
    with pytest.raises(UserError, match="allowed: auto, or a whole number of pixels"):
        tile_of(text)

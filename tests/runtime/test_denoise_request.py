"""The texts of options as a person types them."""

import pytest
from hinas.errors import UserError
from hinas.runtime.denoise_request import bytes_of, sigma_of, tile_of


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2GiB", 2**31),
        ("512MiB", 2**29),
        ("1.5 gib", 3 * 2**29),
        ("1G", 2**30),
        ("1gb", 10**9),
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


@pytest.mark.parametrize("text", ["-3", "2.5", "big", "0"])
def test_tiles_that_are_none(text: str) -> None:
    with pytest.raises(UserError, match="allowed: auto, or a whole number of pixels"):
        tile_of(text)

"""What is written into a PNG comes out of other people's decoders as it was, at any size and kind."""

import io

import imagecodecs
import numpy as np
from hinas.runtime.pictures.formats.png.png_files import filtered, png_from_picture
from hinas.runtime.pictures.picture import Metadata, Picture
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image


@settings(max_examples=60, deadline=None)
@given(
    height=st.integers(1, 600),
    width=st.integers(1, 40),
    is_colour=st.booleans(),
    has_alpha=st.booleans(),
    dtype=st.sampled_from([np.uint8, np.uint16]),
    smooth=st.sampled_from([0, 1, 2]),
    seed=st.integers(0, 2**16),
)
def test_every_decoder_gets_the_pixels_back(
    height: int, width: int, is_colour: bool, has_alpha: bool, dtype: type[np.unsignedinteger], smooth: int, seed: int
) -> None:
    drawn = np.random.default_rng(seed).integers(0, np.iinfo(dtype).max + 1, (height, width, 4))
    for axis in range(smooth):
        # Rows, or rows and columns, that one of the filters suits.
        drawn = np.sort(drawn, axis=axis)
    drawn = drawn.astype(dtype)
    pixels, alpha = drawn[:, :, :3] if is_colour else drawn[:, :, 0], drawn[:, :, 3] if has_alpha else None
    picture = Picture(pixels=pixels, alpha=alpha, format="TIFF", metadata=Metadata(), native=(), notes=())
    data = png_from_picture(picture)
    expected = pixels if alpha is None else np.dstack([pixels, alpha])
    np.testing.assert_array_equal(imagecodecs.png_decode(data).reshape(expected.shape), expected)
    with Image.open(io.BytesIO(data)) as opened:
        assert opened.size == (width, height)
        if dtype == np.uint8:
            np.testing.assert_array_equal(np.asarray(opened), expected)


def test_the_filter_is_the_one_that_suits_the_row() -> None:
    ramp = np.arange(64, dtype=np.uint8)
    noise = np.random.default_rng(0).integers(0, 256, 64).astype(np.uint8)
    kinds = filtered(np.stack([np.full(64, 3, np.uint8), ramp, ramp, noise, noise]))[:, 0]
    assert kinds[[1, 2, 4]].tolist() == [1, 2, 2]

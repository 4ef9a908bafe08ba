"""A picture inside a page: encoded, with the size it is shown at."""

import base64
import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from PIL import Image

MediaType = Literal["image/png", "image/jpeg", "image/svg+xml"]


@dataclass(frozen=True, kw_only=True, slots=True)
class EncodedImage:
    """The bytes of a picture file, for a page."""

    content: bytes
    media_type: MediaType
    width: int
    """Pixels."""
    height: int
    """Pixels."""

    @property
    def data_uri(self) -> str:
        """The picture as an address."""
        return data_uri(self.content, self.media_type)


def data_uri(content: bytes, media_type: MediaType) -> str:
    """The address of a file that lies inside the page."""
    return f"data:{media_type};base64,{base64.b64encode(content).decode('ascii')}"


def as_png(image: "Image.Image", *, icc: bytes | None = None) -> EncodedImage:
    """Every pixel kept. `icc`: the colour profile; None: sRGB."""
    return _encoded(image, "image/png", icc_profile=icc)


def as_jpeg(image: "Image.Image", *, quality: int, icc: bytes | None) -> EncodedImage:
    """With the colour of every pixel, for noise is in the colours too. `icc`: the colour profile; None: sRGB."""
    return _encoded(image, "image/jpeg", quality=quality, subsampling="4:4:4", icc_profile=icc)


def _encoded(image: "Image.Image", media_type: MediaType, **options: Any) -> EncodedImage:
    stream = io.BytesIO()
    image.save(stream, media_type.removeprefix("image/"), **options)
    return EncodedImage(content=stream.getvalue(), media_type=media_type, width=image.width, height=image.height)

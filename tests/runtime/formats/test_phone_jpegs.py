"""JPEGs as phones write them: more pictures behind the first, and metadata that say so."""

import io
import re
import struct
from pathlib import Path

import numpy as np
import pytest
from hinas.errors import UserError
from hinas.runtime.denoise_request import Request
from hinas.runtime.files.denoise_files import denoise_files
from hinas.runtime.files.reporting import Reporter
from hinas.runtime.pictures.image_files import read_picture, write_picture
from PIL import Image

QUIET = Reporter(quiet=True, json=False)
LEFT_OUT = (
    "what follows the first picture in the file (such as a gain map, a depth map, another view or a video) was left out"
)
XMP_OF_ULTRA_HDR = b"""<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF><rdf:Description
 xmlns:Container="http://ns.google.com/photos/1.0/container/" xmlns:hdrgm="http://ns.adobe.com/hdr-gain-map/1.0/"
 hdrgm:Version="1.0" hdrgm:GainMapMax='2.5' xmp:CreatorTool="a phone">
 <Container:Directory><rdf:Seq><rdf:li rdf:parseType="Resource">
 <Container:Item Item:Semantic="Primary" Item:Mime="image/jpeg"/></rdf:li><rdf:li rdf:parseType="Resource">
 <Container:Item Item:Semantic="GainMap" Item:Mime="image/jpeg" Item:Length="700"/></rdf:li></rdf:Seq>
 </Container:Directory></rdf:Description></rdf:RDF></x:xmpmeta>"""


def jpeg(pixels: np.ndarray, **options: object) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", **options)
    return buffer.getvalue()


def segment(marker: int, payload: bytes) -> bytes:
    return b"\xff" + bytes([marker]) + struct.pack(">H", len(payload) + 2) + payload


@pytest.fixture
def first(generator: np.random.Generator) -> np.ndarray:
    return generator.integers(0, 255, (16, 24, 3), np.uint8)


def ultra_hdr(first: np.ndarray) -> bytes:
    """A first picture with what Android writes into it, and a gain map behind it; its list holds offsets."""
    plain = jpeg(first, comment=b"a comment")
    gain_map = jpeg(first[::2, ::2, 0])
    says = segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + XMP_OF_ULTRA_HDR)
    iso = segment(0xE2, b"urn:iso:std:iso:ts:21496:-1\0" + bytes(4))
    listed = b"MPF\0MM\0*\0\0\0\x08" + struct.pack(">H", 3)
    listed += struct.pack(">HHI4s", 0xB000, 7, 4, b"0100") + struct.pack(">HHII", 0xB001, 4, 1, 2)
    listed += struct.pack(">HHII", 0xB002, 7, 32, 50) + bytes(4)
    entries = struct.pack(">IIIHH", 0x030000, len(plain), 0, 0, 0) + struct.pack(">IIIHH", 0, len(gain_map), 999, 0, 0)
    return plain[:20] + says + iso + segment(0xE2, listed + entries) + plain[20:] + gain_map


def test_the_first_picture_of_an_mpo_is_denoised(tmp_path: Path, first: np.ndarray) -> None:
    second = Image.fromarray(first[::-1].copy())
    exif = Image.Exif()
    exif[0x010F] = "hinas camera"
    Image.fromarray(first).save(tmp_path / "in.mpo", "MPO", save_all=True, append_images=[second], exif=exif)
    picture = read_picture(tmp_path / "in.mpo")
    assert picture.notes == (LEFT_OUT,)
    expected: Image.Image = Image.open(tmp_path / "in.mpo")
    assert np.array_equal(picture.pixels, np.asarray(expected))
    write_picture(picture, tmp_path / "out.jpg", format="JPEG")
    written = Image.open(tmp_path / "out.jpg")
    assert (written.format, getattr(written, "n_frames", 1)) == ("JPEG", 1)
    assert b"MPF\0" not in (tmp_path / "out.jpg").read_bytes()
    assert written.getexif()[0x010F] == "hinas camera"


def test_a_gain_map_goes_and_no_metadata_claim_it(tmp_path: Path, first: np.ndarray) -> None:
    (tmp_path / "in.jpg").write_bytes(ultra_hdr(first))
    picture = read_picture(tmp_path / "in.jpg")
    assert picture.notes == (LEFT_OUT,)
    assert np.array_equal(picture.pixels, np.asarray(Image.open(io.BytesIO(jpeg(first)))))
    for name, format in (("out.jpg", "JPEG"), ("out.png", "PNG")):
        write_picture(picture, tmp_path / name, format=format)  # type: ignore[arg-type]
        written = (tmp_path / name).read_bytes()
        assert re.search(rb"MPF\0|hdrgm:\w+=|21496|GainMap|Container:Item", written) is None
        assert b'xmp:CreatorTool="a phone"' in written
    assert b"a comment" in (tmp_path / "out.jpg").read_bytes()


def test_a_list_of_pictures_that_are_gone_is_no_news(tmp_path: Path, first: np.ndarray) -> None:
    whole = ultra_hdr(first)
    (tmp_path / "in.jpg").write_bytes(whole[: whole.rindex(b"\xff\xd8\xff")])
    assert read_picture(tmp_path / "in.jpg").notes == ()


def test_a_picture_that_nothing_announces_is_refused(tmp_path: Path, first: np.ndarray) -> None:
    (tmp_path / "in.jpg").write_bytes(jpeg(first) + jpeg(first))
    with pytest.raises(UserError, match="holds another picture behind the first"):
        read_picture(tmp_path / "in.jpg")


def test_a_truncated_first_picture_is_refused(tmp_path: Path, first: np.ndarray) -> None:
    whole = ultra_hdr(first)
    (tmp_path / "in.jpg").write_bytes(whole[: len(whole) - len(jpeg(first[::2, ::2, 0])) - 300])
    with pytest.raises(UserError, match="truncated"):
        read_picture(tmp_path / "in.jpg")


def test_all_names_of_jpegs_are_denoised_in_a_folder(
    models: dict[str, Path], tmp_path: Path, first: np.ndarray
) -> None:
    names = ["a.jpe", "b.JFIF", "c.mpo", "d.jpeg"]
    (tmp_path / "in").mkdir()
    for name in names:
        (tmp_path / "in" / name).write_bytes(ultra_hdr(first))
    model = str(models["color"])
    denoise_files(Request(source=tmp_path / "in", target=tmp_path / "out", model=model, sigma=20.0, threads=1), QUIET)
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == names
    assert all(Image.open(file).format == "JPEG" for file in (tmp_path / "out").iterdir())

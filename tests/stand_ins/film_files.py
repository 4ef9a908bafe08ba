"""What films made by tests have in common, and how tests denoise them."""

import json
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hinas.runtime.denoise_request import Request
from hinas.runtime.files.denoise_files import denoise_files
from hinas.runtime.files.reporting import Reporter

av: Any = pytest.importorskip("av")

UNEVEN = (24, 24, 36, 12, 60)
"""How long frames are shown, in 600ths of a second."""


def mux_sound(container: Any, stream: Any, generator: np.random.Generator, *, num_parts: int) -> None:
    """Stereo noise of 1024 samples a part, at 48 kHz, into a container that PyAV writes; ends the stream."""
    for index in range(num_parts):
        values = generator.normal(0, 0.1, (2, 1024)).astype(np.float32)
        part = av.AudioFrame.from_ndarray(values, format="fltp", layout="stereo")
        part.sample_rate, part.pts = 48000, 1024 * index
        container.mux(stream.encode(part))
    container.mux(stream.encode(None))


def denoise_film(source: Path, target: Path, model: Path, **options: Any) -> None:
    """As hinas-denoise does it, told sigma 20 unless the options say otherwise."""
    values = {"sigma": 20.0, **options}
    request = Request(source=source, target=target, model=str(model), threads=1, **values)
    denoise_files(request, Reporter(quiet=False, json=True))


def film(
    path: Path,
    *,
    codec: str = "libx264",
    format: str = "yuv420p",
    width: int = 64,
    height: int = 48,
    num_frames: int = 6,
    tags: tuple[int, int, int, int] | None = None,
    sound: str | None = None,
    is_grey: bool = False,
    set_up: Callable[[Any, Any], None] = lambda container, stream: None,
    time_base: Fraction = Fraction(1, 600),
    durations: tuple[int, ...] = UNEVEN,
) -> Path:
    """A few noisy frames. `tags`: primaries, transfer, matrix, range."""
    generator = np.random.default_rng(0)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt = width, height, format
        stream.codec_context.time_base = time_base
        context = stream.codec_context
        context.options = {"x265-params": "log-level=error"} if codec == "libx265" else {}
        if tags is not None:
            context.color_primaries, context.color_trc, context.colorspace, context.color_range = tags
        heard = None if sound is None else container.add_stream(sound, rate=48000)
        set_up(container, stream)
        time = 0
        for index in range(num_frames):
            frame = av.VideoFrame(width, height, format)
            for place, plane in enumerate(frame.planes):
                is_deep = format.endswith("le")
                levels = np.frombuffer(plane, np.uint16 if is_deep else np.uint8)
                middle = 512 if is_deep else 128
                noise = generator.normal(0, middle / 8, levels.shape)
                levels[:] = middle + (0 if is_grey and place > 0 else noise)
            frame.pts, frame.time_base = time, time_base
            time += durations[index % len(durations)]
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        if heard is not None:
            mux_sound(container, heard, generator, num_parts=12)
    return path


def frames_of(path: Path) -> list[Any]:
    with av.open(str(path)) as container:
        return list(container.decode(video=0))


def times_of(path: Path) -> list[Fraction]:
    times = [frame.pts * frame.time_base for frame in frames_of(path)]
    return [time - times[0] for time in times]


def packets_of(path: Path, kind: str) -> list[bytes]:
    with av.open(str(path)) as container:
        return [bytes(packet) for packet in container.demux() if packet.stream.type == kind and packet.size]


def planes_in(frame: Any) -> list[np.ndarray]:
    dtype = np.uint16 if frame.format.name.endswith("le") else np.uint8
    found = []
    for plane in frame.planes:
        columns = plane.width
        found.append(np.frombuffer(plane, dtype).reshape(plane.height, -1)[:, :columns].astype(int))
    return found


def values_of(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    return json.loads(capsys.readouterr().out.splitlines()[-1])


def decorated(container: Any, stream: Any) -> None:
    stream.set_display_rotation(90)
    stream.codec_context.sample_aspect_ratio = Fraction(4, 3)
    container.metadata["title"] = "A walk"
    chapter = {"id": 1, "start": 0, "end": 200, "time_base": Fraction(1, 1000), "metadata": {"title": "one"}}
    container.set_chapters([chapter])

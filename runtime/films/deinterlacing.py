"""Make one whole picture of the two half pictures of different moments that a frame of an interlaced film holds.

FFmpeg's filter bwdif does it. The lines of one half picture stay bit for bit; those of the other are made of what lies
around them and of the frames before and behind.
"""

from collections import deque
from collections.abc import Iterator
from typing import Any

from .library import av_library, codec_errors


def deinterlaced(frames: Iterator[Any]) -> Iterator[Any]:
    """PyAV's frames of a film, as many as there are, each at its own time; what is not interlaced stays as it is."""
    first = next(frames, None)
    if first is None:
        return
    graph = _graph_for(first)
    times: deque[tuple[int | None, int | None, int | None]] = deque()
    size = (first.width, first.height)
    frame: Any = first
    while frame is not None:
        if (frame.width, frame.height) != size:
            # Refused as in any other film.
            yield frame
        times.append((frame.pts, frame.dts, frame.duration))
        yield from _through(graph, frame, times)
        frame = next(frames, None)
    yield from _through(graph, None, times)


def _graph_for(frame: Any) -> Any:
    graph = av_library().filter.Graph()
    # The unit of time does not matter: each frame gets its own time back.
    source = graph.add_buffer(
        width=frame.width, height=frame.height, format=frame.format, time_base=frame.time_base, name="frames"
    )
    graph.link_nodes(source, graph.add("bwdif", "mode=send_frame:deint=interlaced"), graph.add("buffersink"))
    graph.configure()
    return graph


def _through(graph: Any, frame: Any | None, times: deque[tuple[int | None, int | None, int | None]]) -> Iterator[Any]:
    """What the filter gives when it is given a frame, or the end."""
    av = av_library()
    with codec_errors("deinterlacing"):
        graph.vpush(frame)
        while True:
            try:
                made = graph.vpull()
            except (av.error.BlockingIOError, av.error.EOFError):
                return
            made.pts, made.dts, made.duration = times.popleft()
            yield made

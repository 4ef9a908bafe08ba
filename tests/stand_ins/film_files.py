"""What films made by tests have in common, and how tests denoise them."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hinas.runtime.denoise_request import Request
from hinas.runtime.files.denoise_files import denoise_files
from hinas.runtime.files.reporting import Reporter

av = pytest.importorskip("av")


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

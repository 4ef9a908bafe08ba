"""What is said of a film that was written: a line for a person, values for a machine."""

from typing import Any

from .film_stages import WrittenFilm


def line_of_film(written: WrittenFilm) -> str:
    """What a person is told."""
    loaded = written.loaded
    layout, level = loaded.film.layout, loaded.level
    source = f"median of {loaded.num_samples} frames" if level.is_estimated else "given"
    times = "" if level.factor == 1 else f", times {level.factor:g}"
    known = "" if level.sigma is None else f", sigma {level.sigma:.1f} ({source}{times})"
    kind = "colour" if layout.is_colour else "grey"
    what = f"{written.num_frames} frames of {loaded.film.size_text} {kind} {layout.bits}-bit"
    speed = f"{written.seconds:.2f} s, computing {100 * written.busy_share:.0f} %"
    names = f"{loaded.job.source} -> {loaded.job.target}"
    return f"{names}  {what}{known}, model {loaded.model_text}, {loaded.encoder.text}, {speed}"


def values_of_film(written: WrittenFilm) -> dict[str, Any]:
    """What a machine is told of a film that was written."""
    loaded = written.loaded
    film, level = loaded.film, loaded.level
    return {
        "input": str(loaded.job.source),
        "output": str(loaded.job.target),
        "width": film.layout.width,
        "height": film.layout.height,
        "frames": written.num_frames,
        "channels": 3 if film.layout.is_colour else 1,
        "bits": film.layout.bits,
        "sigma": level.sigma,
        "sigma_estimate": level.estimate,
        "model": loaded.model,
        "model_reason": loaded.model_reason,
        "backend": written.backend,
        "codec": loaded.encoder.kind,
        "crf": loaded.encoder.crf,
        "seconds": round(written.seconds, 3),
        "busy_share": round(written.busy_share, 4),
        "notes": [*loaded.notes, *written.notes],
    }

"""What is said of a film, an animation or pages that were written: a line for a person, values for a machine."""

from typing import Any

from .film_stages import WrittenFilm
from .series_stages import SeriesPart, WrittenSeries


def line_of_film(written: WrittenFilm) -> str:
    """What a person is told."""
    loaded = written.loaded
    layout, level = loaded.film.layout, loaded.level
    source = f"median of {loaded.num_samples} frames" if level.is_estimated else "given"
    times = "" if level.factor == 1 else f", times {level.factor:g}"
    known = "" if level.sigma is None else f", sigma {level.sigma:.1f} ({source}{times})"
    kind = "colour" if layout.is_colour else "grey"
    kept = f" ({written.num_kept} of an earlier run)" if written.num_kept else ""
    what = f"{written.num_frames} frames{kept} of {loaded.film.size_text} {kind} {layout.bits}-bit"
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
        "frames_kept": written.num_kept,
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


def line_of_series(written: WrittenSeries) -> str:
    """What a person is told of an animation or of pages."""
    parts = written.parts
    first = parts[0]
    others = "" if all(_kind(part) == _kind(first) for part in parts) else " and others"
    levels = [part.level.sigma for part in parts if part.level.sigma is not None]
    known = ""
    if levels:
        low, high = f"{min(levels):.1f}", f"{max(levels):.1f}"
        source = "estimated" if first.level.is_estimated else "given"
        times = "" if first.level.factor == 1 else f", times {first.level.factor:g}"
        known = f", sigma {low if low == high else f'{low} to {high}'} ({source}{times})"
    models = dict.fromkeys(
        part.model if part.model_reason is None else f"{part.model} ({part.model_reason})" for part in parts
    )
    what = f"{written.num_pictures} {written.what} of {_kind(first)}{others}"
    names = f"{written.job.source} -> {written.job.target}"
    return f"{names}  {what}{known}, model {', '.join(models)}, {written.seconds:.2f} s"


def values_of_series(written: WrittenSeries) -> dict[str, Any]:
    """What a machine is told of an animation or of pages."""
    parts = [
        {
            "size": part.size_text,
            "channels": 3 if part.is_colour else 1,
            "bits": part.bits,
            "sigma": part.level.sigma,
            "sigma_estimate": part.level.estimate,
            "model": part.model,
            "model_reason": part.model_reason,
        }
        for part in written.parts
    ]
    return {
        "input": str(written.job.source),
        "output": str(written.job.target),
        written.what: written.num_pictures,
        "parts": parts,
        "seconds": round(written.seconds, 3),
        "notes": list(written.notes),
    }


def _kind(part: SeriesPart) -> str:
    return f"{part.size_text} {'colour' if part.is_colour else 'grey'} {part.bits}-bit"

"""A comparison of two results files as tables for a person and as JSON."""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from ...runtime.pictures.picture import KINDS
from .compare import FEWEST_MODELS_FOR_DRIFT, ComparedEntry, Comparison, Drift, LatencyChange, QualityChange
from .result_texts import text_table, threads_text


def comparison_table(comparison: Comparison) -> str:
    """Warnings, the drift, and what changed; what did not is only counted."""
    parts = [f"warning: {line}" for line in comparison.warnings]
    parts += [_drift_line(drift) for drift in comparison.drifts]
    latencies = [change for change in comparison.latencies if change.verdict != "unchanged"]
    qualities = [change for change in comparison.qualities if change.is_real]
    if any(change.interval is not None for change in comparison.latencies) and not comparison.drifts:
        parts.append(
            f"Drift of the machine: unknown, {FEWEST_MODELS_FOR_DRIFT} models in both files would tell; "
            "a change of all models may be the machine's"
        )
    if latencies:
        parts.append(f"Latency changed{', the drift taken out' if comparison.drifts else ''}:")
        parts.append(text_table(_LATENCY_HEADING, [_latency_row(change) for change in latencies]))
    if qualities:
        parts.append("Quality changed:")
        parts.append(text_table(_QUALITY_HEADING, [_quality_row(change) for change in qualities]))
    parts += _only("old", comparison.only_old)
    parts += _only("new", comparison.only_new)
    parts.append(
        f"Unchanged within noise: {len(comparison.latencies) - len(latencies)} of {len(comparison.latencies)} "
        f"latencies, {len(comparison.qualities) - len(qualities)} of {len(comparison.qualities)} qualities"
    )
    return "\n".join(parts)


def comparison_json(comparison: Comparison) -> str:
    """Everything, the unchanged too; null stands for an infinite PSNR."""
    return json.dumps(_without_infinities(asdict(comparison)), indent=1, ensure_ascii=False) + "\n"


_LATENCY_HEADING = ("model", "what", "old ms", "new ms", "factor", "99 % interval", "verdict", "file")
_MOST_NAMED = 8
_QUALITY_HEADING = ("model", "what", "measure", "old", "new", "change", "file")


def _drift_line(drift: Drift) -> str:
    low, high = drift.interval
    return (
        f"Drift of the machine ({drift.device or 'its own processor'}): x{drift.factor:.3f} "
        f"({low:.3f} to {high:.3f}) in all {drift.num_models} models alike"
    )


def _latency_row(change: LatencyChange) -> tuple[str, ...]:
    interval = "-" if change.interval is None else f"{change.interval[0]:.3f} to {change.interval[1]:.3f}"
    return (
        change.subject.model,
        subject_text(change.subject),
        f"{change.old_ms:.4g}",
        f"{change.new_ms:.4g}",
        f"x{change.own_factor:.3f}",
        interval,
        change.verdict,
        "other" if change.is_other_file else "same",
    )


def _quality_row(change: QualityChange) -> tuple[str, ...]:
    digits = 3 if change.measure == "PSNR dB" else 4
    return (
        change.subject.model,
        subject_text(change.subject),
        change.measure,
        f"{change.old:.{digits}f}",
        f"{change.new:.{digits}f}",
        f"{change.new - change.old:+.{digits}f}",
        "other" if change.is_other_file else "same",
    )


def subject_text(subject: ComparedEntry) -> str:
    """All that is compared but the model, as far as it says something."""
    parts = [
        "" if subject.task == "denoise" else subject.task,
        KINDS[subject.channels],
        subject.size,
        "" if subject.batch in (None, 1) else f"batch {subject.batch}",
        "" if subject.sigma is None else f"sigma {subject.sigma:g}",
        subject.level,
        subject.dataset,
        "" if subject.protocol in (None, "standard") else subject.protocol,
        subject.backend,
        subject.precision,
        threads_text(subject.threads),
        subject.device,
        "" if subject.origin == "measured" else subject.origin,
    ]
    return ", ".join(part for part in parts if part)


def _only(which: str, subjects: Sequence[ComparedEntry]) -> list[str]:
    """Measured ones by name; what was not measured does not change by itself, so it is only counted."""
    measured = [subject for subject in subjects if subject.origin == "measured"]
    lines = [f"  {subject.model}: {subject_text(subject)}" for subject in measured[:_MOST_NAMED]]
    if others := len(subjects) - len(lines):
        lines.append(f"  and {others} more, {len(subjects) - len(measured)} of them published or projected")
    return [f"Only in the {which} file:", *lines] if lines else []


def _without_infinities(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_infinities(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without_infinities(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value

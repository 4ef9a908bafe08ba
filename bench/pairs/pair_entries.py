"""The scores of pairs as entries of the results: means over the pairs, and what an oracle would have reached."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from statistics import median
from typing import Any

from ..quality.measure_quality import NOISY_INPUT
from ..results.entries import Entry, LevelSource
from .measure_pairs import PairScore
from .pair_methods import AUTO, PairMethod

LEAST_GAIN_DB = 0.01
"""Of a pair that counts as improved: what a table with two digits shows."""


def pair_entries(scores: Sequence[PairScore], methods: Sequence[PairMethod]) -> list[Entry]:
    """For the scores of one set: the noisy input, then the rows of each method, its oracles last."""
    untouched = [score for score in scores if score.method == NOISY_INPUT]
    entries = [_entry(NOISY_INPUT, untouched, {"source": "the noisy files as they are"})]
    for method in methods:
        by_level: dict[float | None, list[PairScore]] = {}
        for score in scores:
            if score.method == method.name:
                by_level.setdefault(score.asked, []).append(score)
        for asked in method.given:
            facts = dict(method.facts)
            if asked is not None:
                facts |= {"level": "given", "sigma": asked}
            elif any(score.estimate is not None for score in by_level[asked]):
                facts |= {"level": "estimated", "median_sigma": _median(score.estimate for score in by_level[asked])}
            if method.name == AUTO:
                facts |= {"note": _chosen_models(by_level[asked])}
            entries.append(_entry(method.name, by_level[asked], facts))
        if method.oracle:
            entries += _oracle_entries(method, [by_level[level] for level in method.oracle])
    return entries


def _oracle_entries(method: PairMethod, by_level: Sequence[Sequence[PairScore]]) -> list[Entry]:
    """Chosen by PSNR; the SSIM is that of the same results."""
    best_for_all = max(by_level, key=lambda scores: math.fsum(score.psnr_db for score in scores))
    best_for_each = [max(of_pair, key=lambda score: score.psnr_db) for of_pair in zip(*by_level, strict=True)]
    levels = ", ".join(f"{level:g}" for level in method.oracle)
    note = f"ORACLE: chosen knowing the clean pictures, among the levels {levels}; no method reaches this by itself"
    kinds: list[tuple[LevelSource, Sequence[PairScore]]] = [
        ("oracle, one for all", best_for_all),
        ("oracle, best for each", best_for_each),
    ]
    return [
        _entry(
            method.name,
            scores,
            {**method.facts, "level": kind, "median_sigma": _median(score.asked for score in scores), "note": note},
        )
        for kind, scores in kinds
    ]


def _entry(model: str, scores: Sequence[PairScore], facts: Mapping[str, Any]) -> Entry:
    figures = {
        "model": model,
        "channels": 3,
        "origin": "measured",
        "psnr_db": _finite_mean(score.psnr_db for score in scores),
        "ssim": _finite_mean(score.ssim for score in scores),
        "dataset": scores[0].dataset,
        "num_images": len(scores),
        "protocol": "pairs",
        "library": "; ".join(dict.fromkeys(score.library for score in scores if score.library is not None)) or None,
    }
    if model != NOISY_INPUT:
        figures |= {
            "gain_db": _finite_mean(score.gain_db for score in scores),
            "num_improved": sum(score.gain_db >= LEAST_GAIN_DB for score in scores),
        }
    return Entry.model_validate(figures | dict(facts))


def _finite_mean(values: Iterable[float]) -> float | None:
    """None where one of them is infinite: JSON knows no infinity."""
    listed = list(values)
    mean = sum(listed) / len(listed)
    return mean if math.isfinite(mean) else None


def _median(levels: Iterable[float | None]) -> float:
    return median([level for level in levels if level is not None])


def _chosen_models(scores: Iterable[PairScore]) -> str:
    counted = Counter(score.model for score in scores).most_common()
    return "chosen: " + ", ".join(f"{model} for {count}" for model, count in counted)

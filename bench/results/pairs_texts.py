"""The figures of pairs as texts for people."""

from collections.abc import Sequence

from .entries import Entry
from .result_texts import text_table

_HEADING = ("model", "level", "PSNR dB", "gain dB", "SSIM", "improved", "median sigma")


def pairs_table(entries: Sequence[Entry], protocol_in_words: str) -> str:
    """A table for each set of pairs, with the protocol above it; what auto chose stands below."""
    parts: list[str] = []
    for dataset in dict.fromkeys(entry.dataset for entry in entries):
        rows = [entry for entry in entries if entry.dataset == dataset]
        parts.append(f"Pairs: {dataset}; {protocol_in_words} unless the row says otherwise")
        parts.append(text_table(_HEADING, [_row(entry) for entry in rows]))
        notes = dict.fromkeys(f"  {entry.model}: {entry.note}" for entry in rows if entry.note is not None)
        parts += notes
    return "\n".join(parts)


def level_text(entry: Entry) -> str:
    """Where the level came from; empty where none was told."""
    match entry.level:
        case None:
            return ""
        case "estimated":
            return "estimated"
        case "given":
            return f"given: {entry.sigma:g}"
        case oracle:
            return oracle.replace("oracle", "ORACLE")


def improved_text(entry: Entry) -> str:
    """4 of 5; empty for the noisy input."""
    return "" if entry.num_improved is None else f"{entry.num_improved} of {entry.num_images}"


def _row(entry: Entry) -> tuple[str, ...]:
    return (
        entry.model,
        level_text(entry) or "-",
        "infinite" if entry.psnr_db is None else f"{entry.psnr_db:.2f}",
        "-" if entry.gain_db is None else f"{entry.gain_db:+.2f}",
        f"{entry.ssim:.4f}",
        improved_text(entry) or "-",
        "-" if entry.median_sigma is None else f"{entry.median_sigma:.1f}",
    )

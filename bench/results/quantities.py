"""Numbers with their units as short texts for people."""


def number_text(value: float | None, digits: int) -> str:
    """Empty for None."""
    return "" if value is None else f"{value:,.{digits}f}"


def time_text(milliseconds: float) -> str:
    """Three digits: 0.12 ms, 40 ms, 1.3 s."""
    if milliseconds >= 9999.5:
        return f"{milliseconds / 1000:,.0f} s"
    if milliseconds >= 999.5:
        return f"{milliseconds / 1000:.3g} s"
    return f"{milliseconds:.3g} ms"


def parameters_text(parameters: float) -> str:
    """283000 -> 0.283 M; three digits."""
    return f"{parameters / 1e6:.3g} M" if parameters >= 1e5 else f"{parameters / 1e3:.3g} k"


def threads_text(threads: int | None) -> str:
    """1 -> 1 thread; empty for None."""
    return "" if threads is None else "1 thread" if threads == 1 else f"{threads} threads"

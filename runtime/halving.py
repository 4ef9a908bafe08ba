"""Do a tile's work in smaller windows, where memory did not suffice for its own."""

from .tiling import Region, Span, Tile, TilePlan, rounded_up


def halved(tile: Tile, plan: TilePlan) -> tuple[Tile, Tile] | None:
    """Two tiles of `plan` that do a tile's work in smaller windows; None where no smaller ones are left or allowed.

    The core is cut across its longer side; each half sees exactly its halo, and true borders stay true borders.
    """
    padded = Region(Span(0, rounded_up(plan.height, plan.alignment)), Span(0, rounded_up(plan.width, plan.alignment)))
    rows, columns = tile.core.rows, tile.core.columns
    if len(rows) >= len(columns):
        cores = [Region(part, columns) for part in _halves(rows, plan.alignment)]
    else:
        cores = [Region(rows, part) for part in _halves(columns, plan.alignment)]
    if len(cores) < 2:
        return None
    first, second = (
        Tile(
            Region(
                _widened(core.rows, plan.halo, padded.rows.stop), _widened(core.columns, plan.halo, padded.columns.stop)
            ),
            core,
        )
        for core in cores
    )
    low = plan.limits.smallest if plan.limits else (0, 0)
    is_allowed = all(part.window.shape[axis] >= low[axis] for part in (first, second) for axis in (0, 1))
    return (first, second) if is_allowed else None


def _halves(span: Span, alignment: int) -> tuple[Span, ...]:
    middle = span.start + rounded_up(len(span) // 2, alignment)
    return (Span(span.start, middle), Span(middle, span.stop)) if span.start < middle < span.stop else (span,)


def _widened(span: Span, halo: int, stop: int) -> Span:
    return Span(max(0, span.start - halo), min(stop, span.stop + halo))

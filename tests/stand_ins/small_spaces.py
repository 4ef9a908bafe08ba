"""Settings that make the networks and supernets of a space small, for tests that are about something else."""

from typing import Any

SMALL_SPACES: dict[str, dict[str, Any]] = {
    "hinas": {
        "layers": 2,
        "nodes": 2,
        "width": 4,
        "compact_width": 8,
        "stem.channels": 8,
        "end.channels": 8,
        "end.early_channels": 8,
    },
    "superkernel": {"width": 8, "depth": 2},
    "clearer": {"width": 8, "branches": 2, "modules": 2, "stem.channels": 8},
    "pyramid": {},
}
"""By the space's name: changes of any of its presets."""


def as_options(changes: dict[str, Any]) -> list[str]:
    """The same as options of hinas-search."""
    texts = [f"{name}={'null' if value is None else value}" for name, value in changes.items()]
    return [part for text in texts for part in ("--set", text)]

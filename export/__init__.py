"""Freeze a genotype and its weights, or a network from elsewhere, to a checked, self-describing ONNX file."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .from_python import import_network

__all__ = ["import_network"]


def __getattr__(name: str) -> Any:
    # Loaded on first use, so that `hinas-export --help` does not wait for PyTorch.
    if name == "import_network":
        from .from_python import import_network

        return import_network
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

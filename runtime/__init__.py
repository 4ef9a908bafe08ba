"""Image file, tiles, backend, stitched image file; with the bundled models. Imports no other room and no torch."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .denoiser import Denoiser

__all__ = ["Denoiser"]


def __getattr__(name: str) -> Any:
    # Loaded on first use, so that `hinas-denoise --help` does not wait for NumPy.
    if name == "Denoiser":
        from .denoiser import Denoiser

        return Denoiser
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

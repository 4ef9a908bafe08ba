"""hinas: find, train, freeze and run small denoising networks."""

__version__ = "0.1.0"

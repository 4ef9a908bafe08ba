"""Describe, search and train denoising architectures."""

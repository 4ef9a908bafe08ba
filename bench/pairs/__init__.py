"""Pairs of pictures, noisy beside clean: finding, denoising and scoring them."""

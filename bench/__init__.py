"""Measure latency and quality, and draw the speed-versus-PSNR trade-off."""

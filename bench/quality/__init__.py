"""PSNR and SSIM on test images under a named noise protocol."""

"""The space of Superkernel NAS (Mozejko et al., CVPR Workshops 2020): kernel sizes and filters of U-Nets."""

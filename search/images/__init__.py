"""Clean images for training, patches of them, and splits."""

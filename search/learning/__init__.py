"""What search and training share: losses, metrics, optimisers, devices, checkpoints, weights."""

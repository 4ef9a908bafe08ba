"""One set of kernels for all networks, an evolution over them, and a training of the best few."""

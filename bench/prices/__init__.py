"""What the blocks of a search space cost on this machine, fitted to measured networks."""

"""The search for an architecture: its run, its loop, its state and its pictures."""

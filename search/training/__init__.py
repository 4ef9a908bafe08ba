"""Retraining a compact network: the run and the loop."""

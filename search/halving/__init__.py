"""Successive halving: many random networks trained shortly, the best of them longer."""

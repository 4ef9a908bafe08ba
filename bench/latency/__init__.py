"""Latency: interleaved rounds over processes of their own, and what is told of a long run."""

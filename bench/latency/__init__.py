"""Latency: interleaved rounds over processes of their own, and the peak of the device."""

"""A model as Triton Inference Server serves it: its configuration and its place in a model repository."""

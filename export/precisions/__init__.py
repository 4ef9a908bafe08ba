"""The number formats a model is written in, one module a format."""

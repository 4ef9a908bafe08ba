"""Freeze a genotype and its weights to a checked, self-describing ONNX file."""

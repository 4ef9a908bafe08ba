"""Build a TensorRT engine (8.6.1, 10.x, 11.x) from a hinas model file. TensorRT itself is imported by the command."""

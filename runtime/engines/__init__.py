"""TensorRT engines as files: what an engine was built for, how it is stored, and the folder that keeps them."""

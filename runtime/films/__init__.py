"""Film files: their frames as pixels and back, everything beside the pictures copied; PyAV reads and writes them."""

"""This machine, and GPUs that need not be here: rates, memory, and the software that runs on them."""

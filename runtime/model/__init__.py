"""A model file: what it says of itself, reading it safely, and the bundled ones."""

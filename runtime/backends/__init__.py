"""The libraries that can run a model file, behind one small interface."""

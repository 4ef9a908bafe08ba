"""The noise of a picture: its level, its character, and the level a model is told."""

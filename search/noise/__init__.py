"""The network that says how strong a picture's noise is and whether it is white: its examples and its training."""

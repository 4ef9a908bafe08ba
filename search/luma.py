"""Brightness as super-resolution is scored on: Y of BT.601 in 16 to 235, as MATLAB's rgb2ycbcr. Imports no torch."""

Y_OF_BLACK = 16 / 255
"""Where white is 1."""
Y_WEIGHTS = (65.481 / 255, 128.553 / 255, 24.966 / 255)
"""Of red, green and blue; a grey value counts as all three."""

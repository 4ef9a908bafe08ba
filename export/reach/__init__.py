"""How far the outputs of a graph see: read off its operators, and found by running it."""

"""How much memory there is, and which tile fits into it."""

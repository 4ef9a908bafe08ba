"""Results as pictures and as one HTML page."""

"""PNG: chunks, rows as they are stored, whole pictures, and pictures in bands."""

"""Pages that show pictures before and after, and need nothing but themselves."""

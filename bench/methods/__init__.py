"""Who takes part in a measurement: networks, classical algorithms and programs, opened and counted."""

"""How long a model would take on a device that is not here."""

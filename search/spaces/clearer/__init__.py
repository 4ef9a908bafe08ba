"""The space of CLEARER: parallel branches of falling resolution, and where they exchange their features."""

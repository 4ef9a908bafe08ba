"""The space made continuous, as the differentiable search needs it (HiNAS v1, section 3): mixtures of all networks."""

"""The noise model of real cameras: a clean photograph goes back to raw, gets noise, and is developed again."""

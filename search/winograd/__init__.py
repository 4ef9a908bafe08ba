"""Convolutions of 3x3 by Winograd's algorithm, for trainings on the CPU."""

"""Cutting a picture into windows and putting the results together."""

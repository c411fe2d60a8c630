"""Short-axis models against reference contours: overlap, distances, volumes, warnings, other images."""

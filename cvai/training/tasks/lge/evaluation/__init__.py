"""Models for late enhancement against contours of patients they have not seen."""

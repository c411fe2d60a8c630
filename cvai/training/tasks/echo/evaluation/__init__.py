"""Models for apical views against contours and ejection fractions of patients they have not seen."""

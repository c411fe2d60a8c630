"""Models for coronary angiograms against the polygons of ARCADE."""

"""The ventricles in a stack of short-axis slices: wall, outline, coverage, and what makes them doubtful."""

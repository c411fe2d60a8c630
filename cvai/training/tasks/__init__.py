"""What networks are trained for, a folder each."""

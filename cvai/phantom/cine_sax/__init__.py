"""Synthetic short-axis cines whose volumes are known."""

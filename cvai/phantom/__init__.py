"""A synthetic short-axis cine MR study with volumes known in closed form, for tests and the demonstration."""

"""Synthetic studies with volumes known in closed form, MR and ultrasound, for tests and the demonstration."""

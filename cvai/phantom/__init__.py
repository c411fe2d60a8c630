"""Synthetic studies with volumes known in closed form, of MR and ultrasound, for tests and the demonstration."""

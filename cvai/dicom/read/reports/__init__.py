"""Structured reports of other makers: measurements of the heart, body size and blood pressure."""

"""Diagnostics: whether a service can run, and how a study would be processed."""

"""Synthetic late enhancement with infarcts of known size."""

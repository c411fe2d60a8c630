"""Pixels of chosen images, decoded when they are needed."""

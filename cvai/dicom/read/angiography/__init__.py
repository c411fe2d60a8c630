"""Runs of X-ray angiography: which can be measured, their grey values, views, times and size of a pixel."""

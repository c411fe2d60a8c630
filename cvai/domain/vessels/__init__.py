"""Coronary arteries as an angiogram shows them: segments, maps, and what is measured along them."""

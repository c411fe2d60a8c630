"""Angiography runs of coronary trees of known diameters and narrowings."""

"""The late-enhancement stack of a study: found among its images, and assembled."""

"""The short-axis cine of a study: found among its images, and assembled to one stack."""

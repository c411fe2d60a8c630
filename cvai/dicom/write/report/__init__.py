"""The report: one A4 page, in any script."""

"""Who saw, changed, signed and exported what."""

"""What every training has in common: configuration, networks, the loop, tracking, export."""

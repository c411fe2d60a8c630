"""Models: cards, runtimes, and what turns a cine into labels."""

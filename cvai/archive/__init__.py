"""Where studies live: the ports and their fillings. Nothing here knows what is done with a study."""

"""From a registered version to the model in place: checks, comparison, and the way back."""

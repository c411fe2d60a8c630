"""What can be said before anything is missed: whether a service can run, and what would become of a study."""

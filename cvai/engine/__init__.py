"""The engine: one study in a straight line, and the durable jobs that take every study along it."""

"""Keeping a service running: health, metrics, logs, retention, backup and restore."""

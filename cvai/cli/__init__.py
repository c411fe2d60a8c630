"""The command line: one file a command; data to stdout, logs to stderr, errors end in a hint."""

"""Data sets of labelled hearts: one port, one file a kind of folder."""

"""The embedded archive: a folder of studies, and an inbox that feeds it."""

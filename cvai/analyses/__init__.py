"""What is measured: a folder for each kind of analysis, and one registry that names them all."""

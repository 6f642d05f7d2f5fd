"""Command-line options, console output and output files of the verbs."""

"""What a verb reads from the command line, and what it prints and writes."""

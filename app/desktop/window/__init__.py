"""The main window, its parts, and its interface to the instrument."""

"""The main window, its parts, and the instrument behind it."""

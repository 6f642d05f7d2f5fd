"""The window. No other package of the program uses Qt."""

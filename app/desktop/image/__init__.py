"""The image and what is drawn on it."""

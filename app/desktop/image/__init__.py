"""The image and its overlays."""

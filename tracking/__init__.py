"""Frame in px to tracks in um. Only this package applies px_to_um. Layer 2."""

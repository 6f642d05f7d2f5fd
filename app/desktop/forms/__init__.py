"""Forms made from settings classes, and their editors."""

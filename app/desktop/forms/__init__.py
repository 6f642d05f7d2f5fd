"""Forms generated from settings classes, and their editors."""

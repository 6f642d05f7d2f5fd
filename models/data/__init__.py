"""Data sets for training, generated from a seed in minutes at most; nothing is downloaded."""

"""What networks learn from: made here, from a seed, in minutes at most; nothing is downloaded."""

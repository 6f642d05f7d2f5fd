"""The only room with torch: equivariant networks, their training and their checkpoints. Floor 2."""

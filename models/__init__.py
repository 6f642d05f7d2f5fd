"""Equivariant networks, their training and their checkpoints. Only this package imports torch. Floor 2."""

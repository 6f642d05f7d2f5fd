"""Convolutions over GL+(2), SL(2) and affine maps by Lie group decompositions (Mironenco, Forre 2024, 2310.11366)."""

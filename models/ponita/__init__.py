"""PONITA: weight sharing over position-orientation space (Bekkers et al., ICLR 2024, arXiv 2310.02970)."""

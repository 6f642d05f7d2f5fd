"""Soft equivariance under mixed symmetries by projection-based regularisation.

PER: Kim et al., ICML 2023, arXiv 2306.00356.
"""

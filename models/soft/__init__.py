"""Soft equivariance under mixed symmetries: projection-based regularisation (Kim et al., ICML 2023, 2306.00356)."""

"""Densities of invariant measures on groups.

With A = exp(X) R (polar) = K D N (Iwasawa, D = exp(x)), X and x from `log` and `log_iwasawa`,
    |det A|^-n dA = 2^(n(n-1)/2) prod_{i<j} sinh(x_i - x_j) / (x_i - x_j) dX dR = prod_{i<j} exp(x_i - x_j) dx dN dK,
where x_i in the first are the eigenvalues of X (Helgason, Groups and Geometric Analysis, 1984, chapter I, section 5).
dA, dX, dN are Lebesgue measures of the entries that are free, dR and dK count unit volume for unit angles in the planes
ij. These are left and right invariant on GL+(n), and on SL(n), where X has no trace, the x add up to 0, and of the
numbers on the diagonal the first n - 1 are free. R^n x| H has a left and a right invariant measure; here the left.
"""

from __future__ import annotations

import torch
from torch import Tensor


def haar_density(a: Tensor) -> Tensor:
    """Of GL+(n) with respect to Lebesgue measure of its entries: |det A|^-n."""
    return torch.as_tensor(torch.linalg.det(a).abs() ** (-a.shape[-1]))


def haar_density_positive(s: Tensor) -> Tensor:
    """Of symmetric positive S = A A^T under S -> g S g^T, by their entries: |det S|^(-(n + 1) / 2)."""
    return torch.as_tensor(torch.linalg.det(s).abs() ** (-(s.shape[-1] + 1) / 2))


def haar_density_polar(x: Tensor) -> Tensor:
    """Of A = exp(X) R, X symmetric [..., n, n], with respect to dX dR; 1 at X = 0."""
    apart = _differences(torch.linalg.eigvalsh(x))
    near = apart.abs() < 1e-4
    safe = torch.where(near, torch.ones_like(apart), apart)
    return torch.where(near, 1 + apart.square() / 6, torch.sinh(safe) / safe).prod(-1)


def haar_density_iwasawa(x: Tensor) -> Tensor:
    """Of A = K diag(exp x) N, x [..., n], with respect to dx dN dK; 1 at x = 0."""
    return _differences(x).sum(-1).exp()


def haar_density_affine(a: Tensor) -> Tensor:
    """Of the left invariant measure of positions x and linear parts A with respect to dx dmu(A): 1 / |det A|."""
    return torch.as_tensor(1 / torch.linalg.det(a).abs())


def _differences(x: Tensor) -> Tensor:
    """x_i - x_j, i < j: [..., n] -> [..., n (n - 1) / 2]."""
    i, j = torch.triu_indices(x.shape[-1], x.shape[-1], 1)
    return x[..., i] - x[..., j]

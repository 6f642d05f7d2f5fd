"""GL+(n) and SL(n) by polar (Cartan) and by Iwasawa decomposition; exp and log through them.

exp is not onto GL+(n): a matrix with a simple negative eigenvalue has no real logarithm. Every A with det A > 0 is
A = P R with P = (A A^T)^(1/2) symmetric positive and R a rotation, and both have logarithms:
    xi(X, Y) = exp(X) exp(Y),   xi^-1(A) = (log(A A^T) / 2, log(P^-1 A))   (paper, section 4).
All follow from one singular value decomposition A = U S V^T: P = U S U^T, and R = U V^T is orthogonal to rounding
for any condition of A, which P^-1 A is not. By Iwasawa A = K D N, and each factor has a logarithm, too: of K an
antisymmetric matrix, of D its logarithms, of N (ones on the diagonal) a strictly upper triangular matrix, whose series
end after n - 1 terms. For SL(n) the logarithms of D add up to 0, and X has no trace.

Differs on purpose from the authors' code (rgenn df54466): their logarithm of SO(2) wraps the angle to [0, 2 pi), so
that it jumps at the identity, scales it, and sets sin < 1e-6 to zero; ours is the matrix logarithm, with angles in
(-pi, pi], so that exp(log R) = R.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.linalg import schur
from torch import Tensor


def polar(a: Tensor) -> tuple[Tensor, Tensor]:
    """A [..., n, n], det > 0 -> P symmetric positive and R a rotation, A = P R. Raises ValueError for other A."""
    size, vector, r = _spectrum(a)
    return _of(vector, size), r


def iwasawa(a: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """A = K D N: K a rotation, D diagonal, positive (as [..., n]), N upper triangular with ones (Gram-Schmidt).

    Raises ValueError unless det > 0.
    """
    _refuse_reflections(a)
    k, upper = torch.linalg.qr(a)
    sign = torch.sign(torch.diagonal(upper, dim1=-2, dim2=-1))
    k, upper = k * sign[..., None, :], upper * sign[..., None]
    diagonal = torch.diagonal(upper, dim1=-2, dim2=-1)
    return k, diagonal, upper / diagonal[..., None]


def from_iwasawa(k: Tensor, diagonal: Tensor, n: Tensor) -> Tensor:
    return k @ (diagonal[..., None] * n)


def log_iwasawa(a: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """(Y antisymmetric, x [..., n], Z strictly upper triangular) with exp(Y) diag(exp x) exp(Z) = A."""
    k, diagonal, n = iwasawa(a)
    small = n - torch.eye(a.shape[-1]).to(a)
    terms = [small]
    for power in range(2, a.shape[-1]):
        terms.append(terms[-1] @ small * (-(power - 1) / power))
    return log_rotation(k), diagonal.log(), torch.stack(terms).sum(0)


def exp_iwasawa(y: Tensor, x: Tensor, z: Tensor) -> Tensor:
    """exp(Y) diag(exp x) exp(Z)."""
    terms = [torch.eye(z.shape[-1]).to(z).expand_as(z), z]
    for power in range(2, z.shape[-1]):
        terms.append(terms[-1] @ z / power)
    return from_iwasawa(exp_rotation(y), x.exp(), torch.stack(terms).sum(0))


def log(a: Tensor) -> tuple[Tensor, Tensor]:
    """xi^-1: (X symmetric, Y antisymmetric) with exp(X) exp(Y) = A."""
    size, vector, r = _spectrum(a)
    return _of(vector, size.log()), log_rotation(r)


def exp(x: Tensor, y: Tensor) -> Tensor:
    """xi: exp(X) exp(Y)."""
    return exp_symmetric(x) @ exp_rotation(y)


def exp_symmetric(x: Tensor) -> Tensor:
    value, vector = torch.linalg.eigh(x)
    return _of(vector, value.exp())


def exp_rotation(y: Tensor) -> Tensor:
    """exp of an antisymmetric matrix; for n = 2 by cosine and sine."""
    if y.shape[-1] == 2:
        return rotation(y[..., 1, 0])
    return torch.matrix_exp(y)


def log_rotation(r: Tensor) -> Tensor:
    """The antisymmetric logarithm with angles in [-pi, pi]."""
    if r.shape[-1] == 2:
        angle = torch.atan2(r[..., 1, 0] - r[..., 0, 1], r[..., 0, 0] + r[..., 1, 1])
        zero = torch.zeros_like(angle)
        return torch.stack([torch.stack([zero, -angle], -1), torch.stack([angle, zero], -1)], -2)
    if r.shape[-1] != 3:
        every = [_log_by_planes(matrix) for matrix in r.detach().cpu().double().numpy().reshape(-1, *r.shape[-2:])]
        return torch.from_numpy(np.array(every)).to(r).reshape(r.shape)
    q = _quaternion(r)
    size = q[..., 1:].norm(dim=-1)
    factor = torch.where(size > 0, 2 * torch.atan2(size, q[..., 0]) / size.clamp(min=1e-300), torch.full_like(size, 2))
    x, y, z = (q[..., 1:] * factor[..., None]).unbind(-1)
    zero = torch.zeros_like(x)
    rows = [torch.stack(row, -1) for row in ((zero, -z, y), (z, zero, -x), (-y, x, zero))]
    return torch.stack(rows, -2)


def _log_by_planes(r: NDArray[np.float64]) -> NDArray[np.float64]:
    """[n, n] -> [n, n] from the planes of rotation, by the real Schur form; without gradient."""
    block, basis = schur(r, output="real")
    y, minus, row = np.zeros_like(r), [], 0
    while row < len(r):
        if row + 1 < len(r) and block[row + 1, row] != 0:
            y[row + 1, row] = math.atan2(
                block[row + 1, row] - block[row, row + 1], block[row, row] + block[row + 1, row + 1]
            )
            row += 1
        elif block[row, row] < 0:
            minus.append(row)
        row += 1
    for first, second in zip(minus[::2], minus[1::2], strict=True):  # an even number, since det R = 1: half turns
        y[second, first] = math.pi
    return np.asarray(basis @ (y - y.T) @ basis.T)


def _quaternion(r: Tensor) -> Tensor:
    """[..., 3, 3] -> [..., 4] with a real part that is not negative (Shepperd 1978: by the largest of four pivots)."""
    a, b, c = r[..., 0, 0], r[..., 1, 1], r[..., 2, 2]
    pivots = torch.stack([1 + a + b + c, 1 + a - b - c, 1 - a + b - c, 1 - a - b + c], -1)
    minus = [r[..., 2, 1] - r[..., 1, 2], r[..., 0, 2] - r[..., 2, 0], r[..., 1, 0] - r[..., 0, 1]]
    plus = [r[..., 2, 1] + r[..., 1, 2], r[..., 0, 2] + r[..., 2, 0], r[..., 1, 0] + r[..., 0, 1]]
    rows = torch.stack([
        torch.stack([pivots[..., 0], minus[0], minus[1], minus[2]], -1),
        torch.stack([minus[0], pivots[..., 1], plus[2], plus[1]], -1),
        torch.stack([minus[1], plus[2], pivots[..., 2], plus[0]], -1),
        torch.stack([minus[2], plus[1], plus[0], pivots[..., 3]], -1),
    ], -2)  # fmt: skip
    best = pivots.argmax(-1)[..., None, None].expand(*pivots.shape[:-1], 1, 4)
    q = torch.nn.functional.normalize(rows.gather(-2, best)[..., 0, :], dim=-1)
    return q * torch.where(q[..., :1] < 0, -1.0, 1.0)


def rotation(angle: Tensor) -> Tensor:
    """[...] -> [..., 2, 2]."""
    cos, sin = angle.cos(), angle.sin()
    return torch.stack([torch.stack([cos, -sin], -1), torch.stack([sin, cos], -1)], -2)


def coordinates(a: Tensor, special: bool) -> Tensor:
    """A of GL+(2) or SL(2) -> [..., 5] or [..., 4]: two of X, (cos - 1, sin) of R, and for GL+ half the trace of X.

    The angle is given by its cosine and sine, so that a kernel is continuous in it. For SL, X has no trace.
    """
    size, vector, r = _spectrum(a)
    x = _of(vector, size.log())
    cos, sin = 0.5 * (r[..., 0, 0] + r[..., 1, 1]), 0.5 * (r[..., 1, 0] - r[..., 0, 1])
    parts = [0.5 * (x[..., 0, 0] - x[..., 1, 1]), x[..., 0, 1], cos - 1, sin]
    if not special:
        parts.append(0.5 * (x[..., 0, 0] + x[..., 1, 1]))
    return torch.stack(parts, -1)


def _spectrum(a: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Eigenvalues and vectors of P = (A A^T)^(1/2), and R = P^-1 A."""
    _refuse_reflections(a)
    vector, singular, other = torch.linalg.svd(a)
    return singular, vector, vector @ other


def _refuse_reflections(a: Tensor) -> None:
    sign = torch.linalg.slogdet(a).sign
    if not bool((sign > 0).all()):
        raise ValueError(f"{int((~(sign > 0)).sum())} of {sign.numel()} matrices do not have det A > 0, as is needed")


def _of(vector: Tensor, value: Tensor) -> Tensor:
    """V diag(value) V^T."""
    return (vector * value[..., None, :]) @ vector.transpose(-1, -2)

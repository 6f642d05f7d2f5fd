"""Read-only arrays."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Number = TypeVar("Number", bound=np.generic)


def read_only(array: NDArray[Number]) -> NDArray[Number]:
    """A read-only view that can't be made writable, unlike an ordinary view of a writable array.

    The array itself is unchanged, since compiled kernels depend on its type.
    """
    return np.asarray(array.data.toreadonly())

"""Arrays that can't be written to."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Number = TypeVar("Number", bound=np.generic)


def read_only(array: NDArray[Number]) -> NDArray[Number]:
    """A view that can't be written to, nor be made writable, which a view of a writable array can be.

    The array itself stays as it is: compiled kernels take it by its type.
    """
    return np.asarray(array.data.toreadonly())

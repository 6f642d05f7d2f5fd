"""Runs the kernels with fast arithmetic in a separate process, and prints the bits of the positions as JSON.

    NUMBA_CACHE_DIR=FOLDER python tests/tracking/kernel_bits.py alone|after

`after`: other functions, with and without fast arithmetic of their own, are compiled first.
`inherited` in the output: functions that were compiled with fast arithmetic that they do not declare.
"""

from __future__ import annotations

import gc
import json
import re
import sys
from hashlib import blake2b
from typing import Any

import numpy as np
from numba import njit
from numba.core.cpu import CPUContext
from numba.core.dispatcher import Dispatcher

from tests.tracking.footage import scattered, spots
from tracking.locate.bandpass import bandpass
from tracking.locate.peaks import whole
from tracking.locate.refine import describe
from tracking.locate.windows import WindowMemory, Windows
from tracking.settings import Tracking

EXACT = "contract"  # comparisons are not affected by it
MESSAGE = "integer_str"  # the text of an error of numba

lowered: list[tuple[str, frozenset[str]]] = []  # functions with fast arithmetic, and the operations that it allows


def note_fast() -> None:
    """From now on, record each function that is compiled with fast arithmetic that can change a number."""
    lower: Any = CPUContext.post_lowering

    def noted(self: Any, module: Any, library: Any) -> None:
        lower(self, module, library)
        text = str(module)
        flags = frozenset(self.fastmath.flags) if self.fastmath else frozenset()
        computes = re.search(r"= (fadd|fsub|fmul|fdiv|frem) |call [^@]*\b(float|double) @", text)
        compares = re.search(r"= fcmp ", text) and flags - {EXACT}
        if flags and (computes or compares):
            lowered.append((library.name, flags))

    CPUContext.post_lowering = noted  # type: ignore[method-assign]


def declared() -> set[tuple[str, frozenset[str]]]:
    """The fast arithmetic that the kernels declare."""
    found: list[Any] = [one for one in gc.get_objects() if issubclass(type(one), Dispatcher)]
    return {(one.py_func.__name__, frozenset(one.targetoptions.get("fastmath") or ())) for one in found}


@njit
def exact(x: Any, y: Any, n: int) -> Any:
    return x**2 + y**n + max(x, y) + min(x, y) + abs(x) + round(y) + x % y + np.hypot(x, y) + n**2


@njit(fastmath={"reassoc", "contract", "nnan", "ninf", "nsz"})
def fast(x: Any, y: Any) -> Any:
    return x + y * x


def main(order: str) -> None:
    note_fast()
    if order == "after":
        exact(1.5, 2.5, 3)
        fast(1.5, 2.5)
    draw = np.random.default_rng(20)
    there = scattered((160, 200), 12, 24)
    image = spots((160, 200), there)
    image = np.clip(image + draw.integers(0, 40, image.shape), 0, 255).astype(np.uint8)
    answers = []
    settings = Tracking(locator="windows", diameter_px=11, minmass=1, search_px=5)
    near = Windows(settings).near(image, WindowMemory(there, np.full(len(there), 2000.0), np.full(len(there), 60.0)))
    answers += [near.position_px, near.mass, near.size_px, near.ecc, near.signal, near.raw_mass]
    smooth, brightest = bandpass(image, 1.0, 11, 1.0)
    levels, factor = whole(smooth, brightest, np.uint8)
    middle = draw.integers(8, 150, (2000, 2))
    answers += [smooth, np.array([brightest, factor]), levels, describe(levels, image, middle, np.full(2000, 3e3), 5)]
    inherited = sorted({name for name, _ in set(lowered) - declared() if MESSAGE not in name})
    bits = [blake2b(np.ascontiguousarray(one).tobytes(), digest_size=8).hexdigest() for one in answers]
    print(json.dumps({"bits": bits, "found": len(near), "inherited": inherited, "compiled": len(lowered)}))


if __name__ == "__main__":
    main(sys.argv[1])

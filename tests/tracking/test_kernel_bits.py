"""A kernel gives the same bits in any order of compilation, compiled or read from the cache."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent.parent


def process(cache: Path, order: str) -> dict[str, Any]:
    """The output of `kernel_bits.py`."""
    env = {**os.environ, "NUMBA_CACHE_DIR": str(cache), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, str(ROOT / "tests" / "tracking" / "kernel_bits.py"), order]
    done = subprocess.run(command, cwd=cache, env=env, capture_output=True, text=True, timeout=580, check=False)
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


def test_kernels_give_the_same_bits_in_any_order_of_compilation(tmp_path: Path) -> None:
    alone, after, parts = tmp_path / "alone", tmp_path / "after", tmp_path / "parts"
    alone.mkdir()
    after.mkdir()
    cold = process(alone, "alone")
    assert cold["found"] > 5
    assert cold["compiled"] > 10
    assert cold["inherited"] == []  # otherwise its arithmetic would depend on its first caller
    shutil.copytree(alone, parts)
    for kept in [*parts.rglob("window.look-*"), *parts.rglob("refine._describe-*"), *parts.rglob("window._describe-*")]:
        kept.unlink()
    warm = process(alone, "alone")
    assert warm["compiled"] == 0
    assert warm["bits"] == cold["bits"]
    assert process(parts, "alone")["bits"] == cold["bits"]  # the functions that it calls are read from the cache
    others_first = process(after, "after")
    assert others_first["bits"] == cold["bits"]
    assert others_first["inherited"] == []

"""A kernel gives the same bits whatever was compiled before it, and whether it is compiled or read from the cache."""

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
    """What `kernel_bits.py` prints."""
    env = {**os.environ, "NUMBA_CACHE_DIR": str(cache), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, str(ROOT / "tests" / "tracking" / "kernel_bits.py"), order]
    done = subprocess.run(command, cwd=cache, env=env, capture_output=True, text=True, timeout=580, check=False)
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


def test_kernels_give_the_same_bits_whatever_was_compiled_before_them(tmp_path: Path) -> None:
    alone, after, parts = tmp_path / "alone", tmp_path / "after", tmp_path / "parts"
    alone.mkdir()
    after.mkdir()
    cold = process(alone, "alone")
    assert cold["found"] > 5
    assert cold["compiled"] > 10
    assert cold["inherited"] == []  # else its arithmetic would depend on who calls it first
    shutil.copytree(alone, parts)
    for kept in [*parts.rglob("window.look-*"), *parts.rglob("refine._describe-*"), *parts.rglob("window._describe-*")]:
        kept.unlink()
    warm = process(alone, "alone")
    assert warm["compiled"] == 0
    assert warm["bits"] == cold["bits"]
    assert process(parts, "alone")["bits"] == cold["bits"]  # its callees are read from the cache
    others_first = process(after, "after")
    assert others_first["bits"] == cold["bits"]
    assert others_first["inherited"] == []

"""Full disks: small file systems mounted in memory, and limits on the size of a file."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[1]


def random_sizes(seed: int, number: int, low_bytes: int, high_bytes: int) -> list[int]:
    """Sizes with a uniform distribution of their logarithm; the same seed gives the same sizes."""
    chance = np.random.default_rng(seed)
    return [int(size) for size in np.exp(chance.uniform(np.log(low_bytes), np.log(high_bytes), number))]


@contextmanager
def small_disks(folder: Path, sizes_bytes: list[int]) -> Iterator[list[Path]]:
    """A disk in memory (tmpfs) for each size, in numbered folders. Skips the test where none can be mounted."""
    if shutil.which("mount") is None or not hasattr(os, "geteuid") or os.geteuid() != 0:
        pytest.skip("only root can mount a small disk (tmpfs)")
    disks: list[Path] = []
    try:
        for number, size_bytes in enumerate(sizes_bytes):
            disk = folder / f"{number:03d}"
            disk.mkdir()
            options = f"size={size_bytes // 4096 * 4}k"
            done = subprocess.run(
                ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(disk)], capture_output=True, text=True, check=False
            )
            if done.returncode:
                pytest.skip(f"no small disk can be mounted here: {done.stderr.strip()}")
            disks.append(disk)
        yield disks
    finally:
        for disk in disks:
            subprocess.run(["umount", "--lazy", str(disk)], check=True)

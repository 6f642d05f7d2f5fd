"""Workers of `reproduce` end with it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.patience import PATIENCE_S

PROGRAM = """
import os, sys, time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from app.reproduce import worker
if __name__ == "__main__":
    with ProcessPoolExecutor(1, mp_context=get_context("spawn"), initializer=worker.begin) as pool:
        print(pool.submit(os.getpid).result(), flush=True)
        pool.submit(time.sleep, 600)
        time.sleep(600)
"""


def lives(process: int) -> bool:
    """Whether the process lives; a zombie that no process has waited for counts as dead."""
    try:
        os.kill(process, 0)
        state = Path(f"/proc/{process}/stat")
        return not state.exists() or state.read_text().rpartition(")")[2].split()[0] != "Z"
    except (ProcessLookupError, FileNotFoundError):
        return False


@pytest.mark.skipif(sys.platform == "win32", reason="asks for a process by a signal")
def test_a_worker_ends_when_its_command_is_killed(tmp_path: Path) -> None:
    program = tmp_path / "command.py"
    program.write_text(PROGRAM)
    paths = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    with subprocess.Popen([sys.executable, str(program)], stdout=subprocess.PIPE, text=True, env=paths) as command:
        assert command.stdout is not None
        busy = int(command.stdout.readline())
        assert lives(busy)
        command.kill()
    until_s = time.monotonic() + PATIENCE_S
    while lives(busy) and time.monotonic() < until_s:
        time.sleep(0.05)
    assert not lives(busy)

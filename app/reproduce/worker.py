"""A worker process that runs checks for the command."""

from __future__ import annotations

import os
from multiprocessing import parent_process
from threading import Thread


def begin() -> None:
    """Make the worker end at once when the command's process ends, for whatever reason. Call this first in a worker.

    No stored result is lost: the command stores the outcomes.
    """
    Thread(target=_end_with_the_command, name="the command's end", daemon=True).start()


def _end_with_the_command() -> None:
    command = parent_process()
    if command is not None:
        command.join()
        os._exit(1)

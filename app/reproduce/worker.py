"""A process that flies checks for the command, and for nobody else."""

from __future__ import annotations

import os
from multiprocessing import parent_process
from threading import Thread


def begin() -> None:
    """Called first in a worker: when the command is gone, however it went, the worker ends in the middle of its flight.

    Nothing is lost by that: an outcome is kept by the command, once it has it.
    """
    Thread(target=_end_with_the_command, name="the command's end", daemon=True).start()


def _end_with_the_command() -> None:
    command = parent_process()
    if command is not None:
        command.join()
        os._exit(1)

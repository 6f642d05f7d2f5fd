"""Worker processes of the command `reproduce`."""

from __future__ import annotations

import os
from multiprocessing import parent_process
from threading import Thread


def begin() -> None:
    """Call first in a worker: it ends as soon as the command's process has ended, even during a run.

    Nothing is lost, since results are stored by the command when it receives them.
    """
    Thread(target=_end_with_the_command, name="the command's end", daemon=True).start()


def _end_with_the_command() -> None:
    command = parent_process()
    if command is not None:
        command.join()
        os._exit(1)

"""The folder of numba's cache of compiled kernels. Without a writable folder, the import of a kernel fails."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from contextlib import suppress
from hashlib import sha1
from pathlib import Path

from platformdirs import user_cache_path

from app.console.terminal import say
from config.refused import Refused
from config.words import quoted

ROOT = Path(__file__).parents[2]
SOURCES = ("tracking", "tracking/locate", "drivers/sim", "models", "models/flight")  # folders with kernels
TYPES = ("drivers/sim/parts.py", "models/flight/kernels.py")  # with classes that kernels take as arguments
NAMED = "NUMBA_CACHE_DIR"
THREADS = "NUMBA_NUM_THREADS"


def provide() -> None:
    """Make sure that numba has a writable cache folder; if there is none, create one for this run and its children.

    Call this before any kernel is imported. Raises Refused for a number of threads at which numba fails.
    """
    require_threads()
    forget_changed_types()
    cache_folder = os.environ.get(NAMED)
    if (cache_folder and writable(Path(cache_folder))) or all(
        writable(ROOT / folder / "__pycache__") for folder in SOURCES
    ):
        return
    if writable(user_cache_path("numba", False)):
        return
    folder = tempfile.mkdtemp(prefix="cybloids-kernels-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    os.environ[NAMED] = folder
    say(
        f"note: kernels are compiled anew in this run: no folder to keep them in can be written to "
        f"(the environment variable {NAMED} names one)",
        error=True,
    )


def require_threads() -> None:
    """Raises Refused for a number of threads below 1. numba itself warns if the text is not a number."""
    text = os.environ.get(THREADS, "")
    with suppress(ValueError):
        if int(text) < 1:
            raise Refused(f"the environment variable {THREADS} is '{quoted(text)}' (allowed: a whole number from 1 on)")


def forget_changed_types(root: Path = ROOT) -> None:
    """Remove the entries of numba's cache that are older than the classes of their arguments.

    A cache entry contains the name of such a class. numba fails if the class was renamed since, as after an update.
    """
    shared = [user_cache_path("numba", False), *([Path(os.environ[NAMED])] if os.environ.get(NAMED) else [])]
    for path in (root / name for name in TYPES):
        with suppress(OSError):  # no such file in an installed program, or a read-only cache
            changed_s = path.stat().st_mtime
            digest = sha1(os.path.abspath(path.parent).encode(), usedforsecurity=False).hexdigest()  # as numba names it
            for folder in (path.parent / "__pycache__", *(cache / f"{path.parent.name}_{digest}" for cache in shared)):
                for entry in folder.glob("*.nbi"):
                    if entry.stat().st_mtime < changed_s:
                        entry.unlink()


def writable(folder: Path) -> bool:
    """Whether a file can be created in the folder. Creates the folder if it does not exist."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError:
        return False
    return True

"""Settings with a special editor have it in the window, independent of the modules that a test imports."""

import os
import subprocess
import sys
from pathlib import Path

PROGRAM = """
import app.desktop.window.main_window
from app.desktop.forms.form import SPECIAL

print(*sorted(cls.__name__ for cls in SPECIAL))
"""


def test_the_window_has_every_special_editor() -> None:
    root = Path(__file__).parents[4]
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=root, capture_output=True, text=True, check=True, timeout=120,
        env={**os.environ, "QT_QPA_PLATFORM": "offscreen"},
    )  # fmt: skip
    assert done.stdout.split() == ["Drawn", "Formula", "Learned", "PythonLaw"]

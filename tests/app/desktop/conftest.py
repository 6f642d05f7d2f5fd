"""The window's tests run without a display, unless somebody wants to watch."""

import os

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

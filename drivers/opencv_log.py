"""What OpenCV and its FFmpeg print of their own: nothing. A broken film or camera is one sentence of ours.

FFmpeg's level is read from the environment when the first film or camera of the process is opened. Where the user has
set a level, it holds.
"""

from __future__ import annotations

import os

import cv2

FFMPEG_LEVEL, LEVEL = "OPENCV_FFMPEG_LOGLEVEL", "OPENCV_LOG_LEVEL"
QUIET = "-8"  # AV_LOG_QUIET


def be_quiet() -> None:
    """Before the first film or camera is opened."""
    os.environ.setdefault(FFMPEG_LEVEL, QUIET)
    if LEVEL not in os.environ:
        cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)

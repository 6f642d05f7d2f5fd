"""Suppresses the messages that OpenCV and its FFmpeg print: this program reports a broken film or camera itself.

FFmpeg reads its log level from the environment when the process opens its first film or camera. A level that the user
has set is kept.
"""

from __future__ import annotations

import os

import cv2

FFMPEG_LEVEL, LEVEL = "OPENCV_FFMPEG_LOGLEVEL", "OPENCV_LOG_LEVEL"
QUIET = "-8"  # AV_LOG_QUIET


def be_quiet() -> None:
    """Suppress the messages. To be called before the first film or camera is opened."""
    os.environ.setdefault(FFMPEG_LEVEL, QUIET)
    if LEVEL not in os.environ:
        cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)

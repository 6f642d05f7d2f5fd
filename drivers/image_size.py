"""The largest allowed image: one limit for cameras, recordings and pictures."""

from __future__ import annotations

MOST_PIXELS = 1 << 24  # of an image: 4096 x 4096
BRIGHTEST = 1e9  # grey level of an image that corrects others; a camera gives 65535


def assert_image_size(width_px: int, height_px: int) -> None:
    """Raises ValueError for a camera's image of more than MOST_PIXELS."""
    if width_px * height_px > MOST_PIXELS:
        raise ValueError(
            f"width_px x height_px is {width_px} x {height_px} = {width_px * height_px:.3g} pixels "
            f"(allowed: {MOST_PIXELS:.3g}, as 4096 x 4096)"
        )

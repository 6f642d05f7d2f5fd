"""An image that corrects others: its pixels are grey levels."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from config.refused import Refused
from drivers.image_size import BRIGHTEST
from drivers.still_image import read_still_image, write_still_image


@pytest.mark.parametrize("level", [1e308, 2 * BRIGHTEST, -1.0, np.nan, np.inf])
def test_pixels_that_are_not_grey_levels_are_refused(tmp_path: Path, level: float) -> None:
    image = np.ones((4, 5))
    image[1, 2] = level
    write_still_image(tmp_path / "dark.npy", image)
    with pytest.raises(Refused, match=r"dark\.npy: found 1 pixels "):
        read_still_image(tmp_path / "dark.npy")


@pytest.mark.parametrize("image", [np.full((4, 5), BRIGHTEST), np.full((4, 5), 65535, "u2"), np.eye(3, dtype=bool)])
def test_grey_levels_are_read(tmp_path: Path, image: NDArray[Any]) -> None:
    write_still_image(tmp_path / "dark.npy", image)
    np.testing.assert_array_equal(read_still_image(tmp_path / "dark.npy"), image)

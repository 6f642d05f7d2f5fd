"""Affine maps: composition, inverse, and matching units."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.geometry import Affine

numbers = st.floats(-10, 10)


@st.composite
def maps(draw: st.DrawFn, source: str, target: str) -> Affine:
    a, b, c, d = (draw(numbers) for _ in range(4))
    a, d = (a + 20.0, d + 20.0)  # with a determinant not near 0
    return Affine(source, target, ((a, b), (c, d)), (draw(numbers), draw(numbers)))


@given(maps("px", "um"), maps("um", "v"), st.tuples(numbers, numbers))
def test_a_composed_map_equals_both_maps_in_sequence(first: Affine, then: Affine, point: tuple[float, float]) -> None:
    np.testing.assert_allclose((then @ first)(point), then(first(point)), rtol=1e-9, atol=1e-9)


@given(maps("px", "um"), st.tuples(numbers, numbers))
def test_the_inverse_map_gives_the_original_point(forth: Affine, point: tuple[float, float]) -> None:
    np.testing.assert_allclose(forth.inverse(forth(point)), point, atol=1e-9)
    assert (forth.inverse @ forth).source == "px"


def test_maps_whose_units_do_not_match_are_refused() -> None:
    um = Affine.scale("px", "um", 0.1)
    with pytest.raises(ValueError, match="can't follow"):
        _ = um @ um
    with pytest.raises(ValueError, match="no inverse"):
        Affine("px", "um", ((1.0, 2.0), (2.0, 4.0)))

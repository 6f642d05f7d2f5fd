"""Value of one key in settings that name the key itself or a mapping that contains it."""

from __future__ import annotations

from typing import Any

import pytest

from app.assembly.given_keys import GONE, Given, decides, given_by, inside, names_of

KEY = "optics.um_per_px"


@pytest.mark.parametrize(
    ("name", "value", "found"),
    [
        (KEY, 0.7, 0.7),
        ("optics", {"um_per_px": 0.7}, 0.7),
        ("optics", {"um_per_px": None}, None),
        ("optics", {"waist_um": 0.7}, GONE),
        ("optics", {}, GONE),
        ("optics", 5, 5),
    ],
)
def test_the_key_or_a_mapping_that_contains_it_decides(name: str, value: Any, found: object) -> None:
    assert decides(name, KEY)
    assert inside(value, name, KEY) == found


@pytest.mark.parametrize("name", ["opt", "optics.um_per_px_", "optics.um", "camera", "", "optics.um_per_px.x"])
def test_another_key_does_not_decide(name: str) -> None:
    assert not decides(name, KEY)


@pytest.mark.parametrize(
    ("sets", "found"),
    [
        ((), None),
        (("camera.fps=3", KEY), None),
        ((f" {KEY} = 0.7",), Given(0.7, f" {KEY} = 0.7")),
        ((f"{KEY}=0.5", "optics={um_per_px: 0.7}"), Given(0.7, "optics={um_per_px: 0.7}")),
        ((f"{KEY}=0.5", "optics={}"), Given(GONE, "optics={}")),
        (("optics={}", f"{KEY}=0.5"), Given(0.5, f"{KEY}=0.5")),
        ((f'{KEY}=!!str "a"',), Given("a", f'{KEY}=!!str "a"')),
    ],
)
def test_the_last_setting_counts(sets: tuple[str, ...], found: Given | None) -> None:
    assert given_by(sets, KEY) == found


def test_the_names_in_a_mapping_of_settings() -> None:
    keys = (KEY, "camera.fps")
    assert names_of({"optics": {"um_per_px": 1}, "camera": {"exposure_s": 1}}, keys) == (KEY,)
    assert names_of({"camera.fps": 3, "optics.waist_um": 1}, keys) == ("camera.fps",)
    assert names_of({5: {}}, keys) == ()

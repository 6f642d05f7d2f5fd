"""Figures as base64 text."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np
import pytest

from app.console.figure import figure


@pytest.mark.parametrize(("kind", "begin"), [("svg", b"<?xml"), ("png", b"\x89PNG\r\n\x1a\n")])
def test_a_figure_has_its_format_and_contains_the_drawing(kind: Any, begin: bytes) -> None:
    drawn: list[Any] = []
    found = base64.b64decode(figure(drawn.append, kind, (2.0, 1.0)), validate=True)
    assert found.startswith(begin)
    assert len(drawn) == 1
    noise = np.random.default_rng(1).normal(size=2000)
    assert len(base64.b64decode(figure(lambda axes: axes.plot(noise), kind, (2.0, 1.0)))) > len(found) + 1000

"""Values of options: bounded, and refused with the name of the option."""

from pathlib import Path

import pytest

from app.console.options import number, path, whole
from config.refused import Refused

NO_LENGTHS = ("nan", "inf", "-inf", "1e308", "0", "-1", "x", "", "²", "9" * 5000, "\x1b[31m", "1_0", "٣")


@pytest.mark.parametrize("text", NO_LENGTHS)
def test_an_invalid_duration_is_refused(text: str) -> None:
    with pytest.raises(Refused, match=r"^--seconds: found ") as refused:
        number("--seconds", 0, 1e7)(text)
    assert len(str(refused.value)) < 200
    assert str(refused.value).isprintable()


@pytest.mark.parametrize("text", ["1.5", "65536", "-1", "x", "", "9" * 5000, "²", "1_0", "٣"])
def test_an_invalid_port_is_refused(text: str) -> None:
    with pytest.raises(Refused, match=r"^--stream: found "):
        whole("--stream", 0, 65535)(text)


def test_valid_values_are_accepted() -> None:
    assert number("--seconds", 0, 1e7)("1e7") == 1e7
    assert number("--seconds", 0, 1e7)(20.0) == 20.0
    assert whole("--stream", 0, 65535)("65535") == 65535
    assert path("--out")("a/b.h5") == Path("a/b.h5")


@pytest.mark.parametrize("text", ["", "a\udcffb", "a\0b", ".", "/"])
def test_an_invalid_file_name_is_refused(text: str) -> None:
    with pytest.raises(Refused, match=r"^--json: found ") as refused:
        path("--json", named=True)(text)
    assert str(refused.value).isprintable()

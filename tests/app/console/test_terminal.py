"""What is printed goes through one place, which lets no order to a terminal through."""

import re
from pathlib import Path

import pytest

from app.console.progress import progress
from app.console.terminal import say

APP = Path(__file__).parents[3] / "app"


def test_escapes_are_shown_and_not_obeyed(capsys: pytest.CaptureFixture[str]) -> None:
    say("title: \x1b[31mred\x1b[0m\nnext \udcff")
    say("wrong \x07", error=True)
    out, err = capsys.readouterr()
    assert out == "title: \\x1b[31mred\\x1b[0m\nnext \\udcff\n"
    assert err == "wrong \\x07\n"


def test_nothing_in_app_prints_by_itself() -> None:
    for file in APP.rglob("*.py"):
        if file.name != "terminal.py":
            found = re.search(r"(?<![\w.])print\(|std(out|err)\.write", file.read_text(encoding="utf-8"))
            assert found is None, f"{file}: {found}"


def test_a_title_is_no_markup(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")  # a bar is drawn only where somebody looks
    with progress("[/nothing] [red]", 3) as step:
        step(1)

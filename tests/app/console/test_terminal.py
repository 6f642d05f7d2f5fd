"""What is printed goes through one place, which lets no order to a terminal through."""

import re
from pathlib import Path

import pytest

from app.console.progress import progress, progress_line
from app.console.terminal import say
from config.refused import Refused

APP = Path(__file__).parents[3] / "app"


def test_escapes_are_shown_and_not_obeyed(capsys: pytest.CaptureFixture[str]) -> None:
    say("title: \x1b[31mred\x1b[0m\nnext \udcff")
    say("wrong \x07", error=True)
    out, err = capsys.readouterr()
    assert out == "title: \\x1b[31mred\\x1b[0m\nnext \\udcff\n"
    assert err == "wrong \\x07\n"


def test_a_newline_in_a_name_begins_no_message(capsys: pytest.CaptureFixture[str]) -> None:
    say("cybloids: a\ncybloids: all is well: no such file", error=True)
    say("cybloids: formula\n    1 + x\n        ^", error=True)  # indented: it stays
    with progress_line("a\ncybloids: all is well", 3):
        pass
    assert capsys.readouterr().err.splitlines() == [
        "cybloids: a\\x0acybloids: all is well: no such file", "cybloids: formula", "    1 + x", "        ^",
        "", "a\\x0acybloids: all is well: 0 of 3 frames",
    ]  # fmt: skip
    assert str(Refused("a\ncybloids: all is well\n")) == "a\\x0acybloids: all is well\\x0a"


def test_nothing_in_app_prints_by_itself() -> None:
    for file in APP.rglob("*.py"):
        if file.name != "terminal.py":
            found = re.search(r"(?<![\w.])print\(|std(out|err)\.write", file.read_text(encoding="utf-8"))
            assert found is None, f"{file}: {found}"


def test_a_title_is_no_markup(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")  # a bar is drawn only where somebody looks
    with progress("[/nothing] [red]", 3) as step:
        step(1)

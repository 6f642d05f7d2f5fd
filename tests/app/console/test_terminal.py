"""All output goes through one module, which escapes control sequences for the terminal."""

import re
from pathlib import Path

import pytest

from app.console.progress import progress, progress_line
from app.console.terminal import say
from config.refused import Refused

APP = Path(__file__).parents[3] / "app"


def test_escape_sequences_are_printed_as_text(capsys: pytest.CaptureFixture[str]) -> None:
    say("title: \x1b[31mred\x1b[0m\nnext \udcff")
    say("wrong \x07", error=True)
    out, err = capsys.readouterr()
    assert out == "title: \\x1b[31mred\\x1b[0m\nnext \\udcff\n"
    assert err == "wrong \\x07\n"


def test_a_newline_in_a_name_starts_no_new_message(capsys: pytest.CaptureFixture[str]) -> None:
    say("cybloids: a\ncybloids: all is well: no such file", error=True)
    say("cybloids: formula\n    1 + x\n        ^", error=True)  # indented: the newlines stay
    with progress_line("a\ncybloids: all is well", 3):
        pass
    assert capsys.readouterr().err.splitlines() == [
        "cybloids: a\\x0acybloids: all is well: no such file", "cybloids: formula", "    1 + x", "        ^",
        "", "a\\x0acybloids: all is well: 0 of 3 frames",
    ]  # fmt: skip
    assert str(Refused("a\ncybloids: all is well\n")) == "a\\x0acybloids: all is well\\x0a"


def test_no_module_of_app_prints_directly() -> None:
    for file in APP.rglob("*.py"):
        if file.name != "terminal.py":
            found = re.search(r"(?<![\w.])print\(|std(out|err)\.write", file.read_text(encoding="utf-8"))
            assert found is None, f"{file}: {found}"


def test_a_title_is_not_read_as_markup(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")  # without it no bar is drawn here
    with progress("[/nothing] [red]", 3) as step:
        step(1)

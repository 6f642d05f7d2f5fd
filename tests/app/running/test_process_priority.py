"""The loop has priority over the window only while it keeps up with its camera."""

from __future__ import annotations

import os
import sys
import threading

import pytest

from app.running.process_priority import ALIKE, FIRST, Precedence


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has it by thread")
def test_a_loop_that_does_not_keep_up_loses_its_priority(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[int, int]] = []
    monkeypatch.setattr(os, "setpriority", lambda which, who, value: asked.append((who, value)))
    end, begun = threading.Event(), threading.Event()

    def loop() -> None:
        begun.set()
        end.wait()

    thread = threading.Thread(target=loop)
    thread.start()
    begun.wait()
    made = Precedence()
    made.follow(keeps_up=True)
    assert not asked  # priority was not taken
    made.take()
    assert asked == [(0, FIRST)]
    made.follow(keeps_up=True)
    assert len(asked) == 1
    made.follow(keeps_up=False)
    assert (thread.native_id, ALIKE) in asked
    made.follow(keeps_up=False)
    number = len(asked)
    made.follow(keeps_up=True)
    assert (thread.native_id, FIRST) in asked[number:]
    end.set()
    thread.join()

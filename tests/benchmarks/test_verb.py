"""The verb `bench` refuses options that it would ignore."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from benchmarks import identities, loop, verb
from config.refused import Refused


@pytest.mark.parametrize(
    ("what", "options", "said"),
    [
        ("loop", {"docs": Path("x.md")}, "bench loop: found --docs, which only bench tracking and safety"),
        (
            "identities",
            {"docs": Path("x.md")},
            "bench identities: found --docs, which only bench tracking",
        ),
        ("identities", {"seconds": 3.0}, "bench identities: found --seconds, which only bench loop takes"),
        ("tracking", {"repeats": 3}, "bench tracking: found --repeats, which only bench loop takes"),
        ("speed", {}, "bench: found 'speed'"),
    ],
)
def test_an_option_of_another_benchmark_is_refused(what: str, options: dict[str, Any], said: str) -> None:
    with pytest.raises(Refused, match=said):
        verb.bench(what, quick=True, json=None, **options)


def test_each_benchmark_receives_its_own_options(monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[tuple[Any, ...]] = []
    monkeypatch.setattr(loop, "bench", lambda *given: called.append(given))
    monkeypatch.setattr(identities, "bench", lambda *given: called.append(given))
    assert verb.bench("loop", quick=False, json=None, docs=None, repeats=3, seconds=18.0) == 0
    assert verb.bench("identities", quick=True, json=None, docs=None, repeats=None, seconds=None) == 0
    assert called == [(False, None, 3, 18.0), (600, None)]

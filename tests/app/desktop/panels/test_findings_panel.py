"""The table of predictions and measurements: another thread computes it, and its errors do not affect the beam."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from pytestqt.qtbot import QtBot

from app.analysis.findings import RunTables
from app.analysis.recent_turns import Recent
from app.assembly.open import open_instrument
from app.assembly.plan import plan
from app.assembly.rig import EXPERIMENTS
from app.desktop.panels.findings_panel import Numbers
from app.running.headless import Until
from app.running.thread import NoRecord
from control.contract import Order, OrderKind, Turn
from control.loop import run


@pytest.fixture(scope="module")
def tables() -> RunTables:
    """Tables of a simulated run of 3 s with a delayed trap."""
    made = plan(EXPERIMENTS / "delayed_harmonic.yaml")
    instrument, turns, orders = open_instrument(made), list[Turn](), [(Order(OrderKind.ARM),)]
    run(
        instrument.machine, Until(instrument.camera, 3.0), instrument.beam, instrument.clock, NoRecord(),
        lambda: orders.pop() if orders else (), turns.append,
    )  # fmt: skip
    instrument.close()
    recent = Recent()
    recent.add([replace(turn, frame=None) for turn in turns])  # a window receives turns without images
    found = recent.tables(made)
    assert found is not None
    return found


@pytest.fixture
def drawn(qtbot: QtBot) -> Iterator[list[Numbers]]:
    made: list[Numbers] = []
    yield made
    for one in made:
        one.close_worker()
        one.close()


def shown(qtbot: QtBot, numbers: Numbers) -> dict[str, tuple[str, str]]:
    def there() -> bool:
        numbers.draw()
        return numbers.rowCount() > 0

    qtbot.waitUntil(there)
    return numbers.read()


def test_predictions_are_shown_beside_measurements(qtbot: QtBot, drawn: list[Numbers], tables: RunTables) -> None:
    drawn.append(Numbers(lambda: tables))
    said = shown(qtbot, drawn[0])
    assert said["z = κτ"][0] == "10.14"
    assert said["z = κτ"][1].startswith("10.1")
    assert {"D_eff", "T_eff", "heat to the bath", "achieved delay τ", "speed over τ"} <= set(said)


def test_the_table_is_empty_without_data(qtbot: QtBot, drawn: list[Numbers]) -> None:
    drawn.append(Numbers(lambda: None))
    drawn[0].draw()
    assert drawn[0].rowCount() == 0


def test_a_failed_measurement_is_reported_in_the_table(qtbot: QtBot, drawn: list[Numbers], tables: RunTables) -> None:
    """The tables lack a column: no exception is raised, and the table of numbers reports it."""
    drawn.append(Numbers(lambda: replace(tables, turns=tables.turns.drop(columns="sent_effect_s"))))
    assert next(iter(shown(qtbot, drawn[0]))).startswith("not measured")

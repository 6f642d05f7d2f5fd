"""The image view: its grey levels, and the labels of particles in a crowd."""

from dataclasses import replace

import numpy as np
import pytest
from PyQt6.QtCore import QPointF
from pytestqt.qtbot import QtBot

from app.desktop.image.grey_levels import Levels
from app.desktop.image.image_view import View
from app.desktop.image.particle_labels import MOST
from control.contract import Forces, Frame, Level, State, Tracks, Turn, dark

IMAGE = np.arange(100 * 100, dtype=np.uint16).reshape(100, 100)


@pytest.fixture
def view(qtbot: QtBot) -> View:
    made = View(um_per_px=0.1, diameter_um=0.5)
    qtbot.addWidget(made)
    made.resize(400, 400)
    made.show()
    return made


def crowd(number: int) -> Turn:
    """Particles on a grid of 1 um."""
    place_um = np.stack(np.divmod(np.arange(number), 10), axis=1)[:, ::-1].astype(float)
    none = np.zeros(number, np.int64)
    tracks = Tracks(0.0, np.arange(number), place_um, none.astype(np.uint8), none, none, place_um / 0.1)
    nothing = dark("test")
    return Turn(0, Frame(0, 0.0, IMAGE), 0.0, (), tracks, Forces(), nothing, nothing, Level.SAFE, "", 0.0)


def names(view: View) -> set[str]:
    return {str(name) for name, _ in view.labels.shown}


def test_grey_levels_are_automatic_until_set_by_hand(view: View, qtbot: QtBot) -> None:
    turn = crowd(3)
    view.show_turn(turn, [turn])
    found = view.levels
    assert found is not None
    assert 0 < found[0] < found[1] <= IMAGE.max()
    mouse_tools = Levels(view)
    qtbot.addWidget(mouse_tools)
    assert (mouse_tools.black.value(), mouse_tools.white.value()) == pytest.approx(found, abs=1)
    mouse_tools.white.setValue(5000)
    view.show_turn(turn, [turn])
    assert view.levels == (float(mouse_tools.black.value()), 5000.0)
    assert tuple(view.image.levels) == view.levels
    view.auto_levels()
    view.show_turn(turn, [turn])
    assert view.levels == found


def test_in_a_crowd_only_followed_and_hovered_particles_have_labels(view: View) -> None:
    few, many = crowd(5), crowd(MOST + 1)
    view.show_turn(few, [few])
    assert names(view) == {"0", "1", "2", "3", "4"}
    view.show_turn(many, [many])
    assert names(view) == set()
    view.followed = 7
    view.box.scene().sigMouseMoved.emit(view.box.mapViewToScene(QPointF(2.0, 3.1)))
    view.show_turn(many, [many])
    assert names(view) == {"7", "32"}


def test_species_have_different_marks_and_unsorted_particles_are_new(view: View) -> None:
    turn = crowd(6)
    species, state = np.array([0, 1, 1, 2, 9, -1]), np.zeros(6, np.uint8)
    state[5] = State.UNSORTED
    turn = replace(turn, tracks=replace(turn.tracks, species=species, state=state))
    view.show_turn(turn, [turn])
    assert [len(mark.data) for mark in view.species] == [1, 2, 1, 1]
    assert len({mark.opts["symbol"] for mark in view.species}) == 4
    assert len(view.new.data) == 1

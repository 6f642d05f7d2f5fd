"""Linking of feature tables: trackpy is the reference, also for frames without features."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import trackpy

from app.analysis import tracking_tables
from config.refused import Refused
from control.contract import State
from tracking.settings import Tracking


def link(table: pd.DataFrame, memory: int, **settings: Any) -> pd.DataFrame:
    given = {"search_px": 5.0, "memory": memory, **settings}
    return tracking_tables.link(table, tracking_tables.settings_of(given))


def links(table: pd.DataFrame) -> set[tuple[int, int]]:
    """Pairs of rows (column `row`) that follow each other in the path of one particle."""
    ordered = table.sort_values(["particle", "frame"])
    row, who = ordered["row"].to_numpy(), ordered["particle"].to_numpy()
    again = who[1:] == who[:-1]
    return {*zip(row[:-1][again].tolist(), row[1:][again].tolist(), strict=True)}


@pytest.mark.parametrize("memory", [0, 3])
def test_a_feature_after_a_long_gap_is_another_particle(memory: int) -> None:
    """Regression: it was the same particle, because frames without features did not count against the memory."""
    frame = np.r_[0:10, 500:510]
    table = pd.DataFrame({"frame": frame, "x": 10.0 + 3.0 * (frame >= 500), "y": 10.0})
    found = link(table, memory)
    assert found["particle"].tolist() == [0] * 10 + [1] * 10
    assert found["particle"].tolist() == trackpy.link(table, 5.0, memory=memory)["particle"].tolist()


@pytest.mark.parametrize("memory", [0, 1, 3])
def test_links_across_missing_frames_agree_with_trackpy(memory: int) -> None:
    """60 random walkers in 60 frames. One to five successive frames are missing at several places, and a tenth of the
    other rows."""
    chance = np.random.default_rng(5)
    place = chance.uniform(0, 150, (60, 2)) + np.cumsum(chance.normal(0, 0.8, (60, 60, 2)), axis=0)
    table = pd.DataFrame(
        {"frame": np.repeat(np.arange(60), 60), "x": place[..., 0].ravel(), "y": place[..., 1].ravel()}
    )
    table = table[~table["frame"].isin([3, 10, 17, 18, 24, 25, 26, 31, 32, 33, 34, 45, 46, 47, 48, 49])]
    table = table.sample(frac=0.9, random_state=2).sort_values("frame", kind="stable").reset_index(drop=True)
    table["row"] = np.arange(len(table))
    assert links(link(table, memory)) == links(trackpy.link(table, 5.0, memory=memory))


def test_missing_frames_equal_frames_without_features() -> None:
    """Identities and states from `link` equal those from `batch` with some empty images, also with a flow."""
    y, x = np.mgrid[:64, :64]
    images = np.zeros((16, 64, 64), np.uint8)
    for number in [*range(6), 8, 9, *range(14, 16)]:
        for at in (20.0, 44.0):
            images[number] += np.round(150.0 * np.exp(-((x - at - 0.5 * number) ** 2 + (y - at) ** 2) / 8.0)).astype(
                np.uint8
            )
    given = {"diameter_px": 11, "minmass": 500, "search_px": 5.0, "memory": 2, "predict": "drift"}
    film = tracking_tables.batch(images, tracking_tables.settings_of(given))
    assert film["particle"].nunique() == 4
    again = tracking_tables.link(film.drop(columns=["particle", "state"]), tracking_tables.settings_of(given))
    assert again["particle"].tolist() == film["particle"].tolist()
    assert again["state"].tolist() == film["state"].tolist()


def test_an_uncertain_identity_is_a_state() -> None:
    """Two particles come so close that they may have been exchanged. Regression: the state was lost."""
    table = pd.DataFrame({"frame": [0, 0, 1, 1, 2, 2], "x": [10.0, 14.0, 11.9, 12.1, 10.0, 14.0], "y": 10.0})
    assert link(table, 0)["state"].tolist()[2:4] == [State.UNCERTAIN] * 2


def test_the_tracking_settings_of_a_rig_are_accepted_unchanged() -> None:
    """Its fields for files are empty strings, which name no file."""
    assert tracking_tables.settings_of(vars(Tracking())) == Tracking()
    with pytest.raises(Refused, match="needs a rig file"):
        tracking_tables.settings_of({"dark_file": "dark.npy"})


def test_a_sequence_of_images_without_an_iterator_is_accepted() -> None:
    class Stack:
        def __getitem__(self, number: int) -> Any:
            return np.zeros((2, 64, 64), np.uint8)[number]

    assert not len(tracking_tables.batch(Stack(), Tracking()))  # type: ignore[arg-type]
    with pytest.raises(Refused, match="frames: found int"):
        tracking_tables.batch(5, Tracking())  # type: ignore[arg-type]

"""The benchmark runs, and its tables have the expected keys. Times are not checked."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks.accuracy import Profile, bound_px, errors
from benchmarks.scenes import SpotScene
from benchmarks.tracking import REPEATS, crystal_right, guarded, main, markdown
from tracking.locate.centroid import Centroid
from tracking.locate.page import Locator
from tracking.locate.windows import WindowMemory, Windows
from tracking.settings import Tracking


def test_the_quick_tables_have_all_keys(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--quick", "--json", str(tmp_path / "t.json"), "--docs", str(tmp_path / "t.md")]) == 0
    tables = json.loads((tmp_path / "t.json").read_text())
    assert list(tables) == ["locate", "windows", "link", "accuracy"]
    for row in tables["locate"]:
        assert {"case", "ratio", "ratio_bare", "low", "high", "peak_mib"} <= set(row)
        assert row["found"] == row["found_trackpy"]
    assert all({"case", "ratio"} <= set(row) for row in tables["windows"])
    assert all(row["over_bound"] > 0.9 for row in tables["accuracy"])
    page = (tmp_path / "t.md").read_text()
    assert "| case |" in page
    assert "Medians of 5 repeats" in page
    assert "512^2, 50 spots" in capsys.readouterr().out


def test_a_disturbed_crystal_keeps_its_identities() -> None:
    assert crystal_right() >= 0.999


def test_scenes_contain_the_stated_number_of_particles() -> None:
    for side, count in ((512, 500), (1024, 2000), (2048, 5000)):
        assert len(SpotScene(side, count, "spots").places()) == count


def test_windows_are_timed_with_every_guard() -> None:
    """Two windows; one predicts its particle at the position of the other: both find it, and one is kept."""
    scene = SpotScene(128, 4, "spots")
    s = Tracking(locator="windows", diameter_px=11, minmass=400, separation_px=10.0, search_px=5.0)
    image = scene.frame(scene.places())
    found = Centroid(s)(image)
    twice = np.arange(5) % 4
    expected = WindowMemory(found.position_px[twice], found.mass[twice], found.signal[twice])
    assert len(Windows(s).near(image, expected)) == 5
    assert len(guarded(Windows(s), image, expected)) == 4


def test_the_page_in_docs_states_how_its_tables_were_made() -> None:
    """For any values in its tables."""
    page = (Path(__file__).parents[2] / "docs" / "benchmarks.md").read_text()
    made = markdown({name: [] for name in ("locate", "windows", "link", "accuracy")}, REPEATS)
    words = [line for line in made.splitlines() if not line.startswith("|")]
    assert [line for line in page.splitlines() if not line.startswith("|")] == words


@pytest.mark.slow
def test_the_error_of_the_centroid_at_another_amplitude_is_as_documented() -> None:
    profile, noise = Profile(60.0, 2.2, 0.0), 2.0
    names: tuple[Locator, ...] = ("centroid", "trackpy")
    for name in names:
        off_px, _ = errors(name, profile, noise, 11, frames=8)
        assert np.sqrt(np.mean(off_px**2)) / bound_px(profile, noise) == pytest.approx(1.155, abs=0.01)

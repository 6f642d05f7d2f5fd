"""A loop that does not keep up: which part of a turn is too slow, and what would help."""

from __future__ import annotations

from dataclasses import replace

import pytest

from app.overload import Judge, overload
from app.plan import plan
from app.rig_file import EXPERIMENTS, Rig
from app.stopwatch import Stopwatch
from drivers.cameras.opencv_capture import OpenCVCamera
from drivers.sim.camera import SimulatedCamera

FREE = {"tracker": 0.002, "policy": 0.001, "beam": 0.0, "recorder": 0.0, "camera": 0.006}


@pytest.fixture(scope="module")
def rig() -> Rig:
    sets = ("camera.width_px=1024", "camera.height_px=1024", "sample.number=500", "tracking.locator=gaussian")
    return plan(EXPERIMENTS / "annular_activity.yaml", None, (*sets, "sample.arrangement=square")).rig


def test_a_loop_that_keeps_up_is_not_too_slow(rig: Rig) -> None:
    assert overload(rig, 99.0, FREE) is None
    assert isinstance(rig.camera, SimulatedCamera)
    half = replace(rig, camera=replace(rig.camera, drop=0.5))  # of the frames arrive
    assert overload(half, 49.0, FREE) is None
    assert overload(half, 30.0, FREE) is not None


def test_slow_tracking_is_named_and_a_cheaper_locator_a_region_and_bins_are_offered(rig: Rig) -> None:
    found = overload(rig, 8.5, {**FREE, "tracker": 0.11})
    assert found is not None
    assert found.text == "8.5 of 100 fps: tracking takes 110 ms a turn, and a frame lasts 10 ms"
    assert [offer.text for offer in found.offers] == [
        "locator centroid", "5 fps", "region 512×512 px", "pixels binned 2×2"
    ]  # fmt: skip
    assert [offer.reopens for offer in found.offers] == [False, True, True, True]
    binned = found.offers[-1].edits
    assert (binned["camera.width_px"], binned["optics.um_per_px"]) == (512, 2 * rig.optics.um_per_px)
    assert binned["tracking.diameter_px"] % 2 == 1


def test_a_slow_simulation_a_slow_law_and_a_slow_camera_are_told_apart(rig: Rig) -> None:
    simulated = overload(rig, 3.0, {**FREE, "camera": 0.3})
    assert simulated is not None
    assert "simulating the sample and its image takes 300 ms" in simulated.text
    assert "125 particles" in [offer.text for offer in simulated.offers]
    law = overload(rig, 8.0, {**FREE, "policy": 0.1})
    assert law is not None
    assert "the law takes 100 ms" in law.text
    assert [offer.text for offer in law.offers] == ["5 fps"]
    real = replace(rig, camera=OpenCVCamera(source="0", fps=100.0, exposure_s=0.005, width_px=1024, height_px=1024))
    camera = overload(real, 30.0, {**FREE, "camera": 0.033})
    assert camera is not None
    assert "waiting for the camera takes 33 ms" in camera.text
    assert [offer.text for offer in camera.offers] == ["20 fps"]


def test_it_is_judged_over_some_seconds(rig: Rig) -> None:
    judge, watch = Judge(), Stopwatch()
    for index in range(5):
        now_s = 0.5 * index
        watch.spent_s["tracker"] = 5 * now_s * 0.18
        found = judge.look(rig, now_s, round(5 * now_s), watch)
        assert (found is None) == (now_s < 2.0)
    assert found is not None
    assert found.text.startswith("5 of 100 fps: tracking takes 180 ms")
    watch.running = "camera"
    for now_s in (4.0, 6.0, 8.0, 10.0):  # no turn ends
        assert judge.look(rig, now_s, 10, watch) is not None
    found = judge.look(rig, 12.0, 11, watch)
    assert found is not None
    assert found.part == "camera"

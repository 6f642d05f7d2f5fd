"""A loop that does not keep up: the slow part of a turn, and the remedies offered."""

from __future__ import annotations

from dataclasses import replace

import pytest

from app.assembly.plan import plan
from app.assembly.rig import EXPERIMENTS, Rig
from app.running.overload import Judge, overload
from app.running.stopwatch import Stopwatch
from config.reader import Document, build, plain
from drivers.cameras.opencv_capture import OpenCVCamera
from drivers.sim.camera import SimulatedCamera
from tracking.locate.page import Locator
from tracking.settings import Ellipse

FREE = {"tracker": 0.002, "policy": 0.001, "beam": 0.0, "recorder": 0.0, "camera": 0.006}


@pytest.fixture(scope="module")
def rig() -> Rig:
    sets = ("camera.width_px=1024", "camera.height_px=1024", "sample.number=500", "tracking.locator=gaussian")
    return plan(EXPERIMENTS / "annular_activity.yaml", None, (*sets, "sample.arrangement=square")).rig


def test_a_loop_that_keeps_up_has_no_overload(rig: Rig) -> None:
    assert overload(rig, 99.0, FREE) is None
    assert isinstance(rig.camera, SimulatedCamera)
    half = replace(rig, camera=replace(rig.camera, drop=0.5))  # half of the frames arrive
    assert overload(half, 49.0, FREE) is None
    assert overload(half, 30.0, FREE) is not None


def test_slow_tracking_offers_locator_region_and_bins(rig: Rig) -> None:
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


def test_only_a_cheaper_locator_is_offered(rig: Rig) -> None:
    def offered(locator: Locator, particles: int) -> str:
        there = replace(rig, tracking=replace(rig.tracking, locator=locator))
        found = overload(there, 8.5, {**FREE, "tracker": 0.11}, particles=particles)
        assert found is not None
        return next((offer.text for offer in found.offers if offer.text.startswith("locator")), "")

    locators: tuple[Locator, ...] = ("centroid", "gaussian", "windows")
    assert [offered(locator, 20) for locator in locators] == ["locator windows"] * 2 + [""]
    assert [offered(locator, 5000) for locator in locators] == ["", "locator centroid", ""]


def test_bins_scale_every_setting_in_pixels(rig: Rig) -> None:
    tracking = replace(
        rig.tracking, diameter_px=21, minmass=400.0, search_px=8.0, separation_px=12.0, maxsize_px=6.0,
        smoothing_size_px=41, initial_velocity_px_per_frame=(2.0, -1.0), channel_bin_px=30.0,
        excluded_regions=(Ellipse(left_px=100.0, top_px=40.0, width_px=20.0, height_px=30.0),),
    )  # fmt: skip
    found = overload(replace(rig, tracking=tracking), 8.5, {**FREE, "tracker": 0.11})
    assert found is not None
    edits = found.offers[-1].edits
    assert found.offers[-1].text == "pixels binned 2×2"
    named = {name for name in plain(tracking) if name.endswith(("_px", "_px_per_frame"))} - {"noise_size_px"}
    assert named <= {key.removeprefix("tracking.") for key in edits}
    own = {key.removeprefix("tracking."): value for key, value in edits.items() if key.startswith("tracking.")}
    made = build(Document("test", plain(tracking) | own, {}), type(tracking))
    assert made == replace(
        tracking, diameter_px=11, minmass=100.0, search_px=4.0, separation_px=6.0, maxsize_px=3.0, smoothing_size_px=21,
        initial_velocity_px_per_frame=(1.0, -0.5), channel_bin_px=15.0,
        excluded_regions=(Ellipse(left_px=50.0, top_px=20.0, width_px=10.0, height_px=15.0),),
    )  # fmt: skip


def test_a_corrected_image_keeps_its_size(rig: Rig) -> None:
    there = replace(rig, tracking=replace(rig.tracking, background_file="background.tif"))
    found = overload(there, 8.5, {**FREE, "tracker": 0.11})
    assert found is not None
    assert [offer.text for offer in found.offers] == ["locator centroid", "5 fps"]


def test_slow_simulation_law_and_camera_are_distinguished(rig: Rig) -> None:
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
    assert "a smaller image that the camera has (camera.width_px, camera.height_px) would help" in camera.text


def test_overload_is_judged_over_several_seconds(rig: Rig) -> None:
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

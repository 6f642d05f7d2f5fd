"""The simulated deflector and laser behind the guard, in lockstep and in real time."""

import time
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from config.reader import build, parse
from config.refused import Refused
from control.contract import Command, Fault
from drivers.sim.bench import Bench, open_bench
from drivers.sim.camera import SimulatedCamera
from drivers.sim.deflector import SimulatedDeflector, true_map
from drivers.sim.laser import SimulatedLaser
from drivers.sim.sample import Sample
from tests.drivers.test_motion import independent

pytestmark = pytest.mark.real_time

MIDDLE = (12.75, 12.75)


def spots(*rows: tuple[float, float], power_mw: float = 10.0, dwell_s: float = 1e-4) -> Command:
    number = len(rows)
    return Command(np.array(rows), np.full(number, power_mw), np.full(number, dwell_s), np.arange(number))


def bench_of(deflector: Any = None, laser: Any = None, **changes: Any) -> Bench:
    return open_bench(
        deflector=deflector or SimulatedDeflector(), laser=laser or SimulatedLaser(), um_per_px=0.1, **changes
    )


def after(bench: Bench, seconds: float) -> None:
    bench.world.advance(bench.world.now_ns + round(seconds * 1e9))


place = st.floats(0.0, 25.5)


@settings(deadline=None, max_examples=30)
@given(place, place, st.integers(6, 24))
def test_a_position_is_rounded_to_the_steps_of_the_converter(x_um: float, y_um: float, bits: int) -> None:
    with bench_of(SimulatedDeflector(bits=bits)) as bench:
        sent = bench.beam.send(spots((x_um, y_um)))
        after(bench, 0.01)
        lit_um = bench.world.visits.spot_um
    step_um = 20.0 / (2**bits - 1) / 0.25
    assert np.abs(sent.position_um - [x_um, y_um]).max() <= step_um / 2 * (1 + 1e-9)
    np.testing.assert_allclose(lit_um, sent.position_um, atol=1e-9)


def test_a_hidden_map_error_moves_the_light_but_not_the_readback() -> None:
    made = SimulatedDeflector(true_rotation_deg=2.0, true_shift_um=(0.3, -0.2), true_v_per_um=0.26, bits=30)
    with bench_of(made) as bench:
        sent = bench.beam.send(spots((15.0, 9.0)))
        after(bench, 0.01)
        lit_um = bench.world.visits.spot_um
    np.testing.assert_allclose(sent.position_um, [[15.0, 9.0]], atol=1e-6)
    expected = (true_map(made, MIDDLE).inverse @ made.nominal_map(MIDDLE))(np.array([[15.0, 9.0]]))
    np.testing.assert_allclose(lit_um, expected, atol=1e-6)
    assert np.abs(lit_um - sent.position_um).max() > 0.2


def test_efficiency_falls_towards_the_ends_of_the_range() -> None:
    with bench_of(SimulatedDeflector(v_per_um=0.8, efficiency_edge=0.5, bits=30)) as bench:
        bench.beam.send(spots(MIDDLE, (MIDDLE[0] + 12.0, MIDDLE[1])))
        after(bench, 0.01)
        depth_kt = bench.world.visits.depth_kt
    assert depth_kt == pytest.approx([50.0, 50.0 * (1 - 0.5 * (9.6 / 10) ** 2)], rel=1e-6)


def test_short_dwells_are_lengthened_and_reported() -> None:
    with bench_of(SimulatedDeflector(min_dwell_s=3e-5)) as bench:
        assert bench.beam.send(spots(MIDDLE, dwell_s=1e-6)).dwell_s == pytest.approx([3e-5])


def test_jumps_between_spots_reduce_the_light() -> None:
    """Two spots share the beam, and each visit is half dark: the trap has a quarter of the depth."""
    variances = []
    for rows, settle_s in (((MIDDLE, (20.0, 20.0)), 2e-5), ((MIDDLE,), 0.0)):
        power_mw = 80.0 if len(rows) == 2 else 20.0
        with open_bench(
            independent(3000), deflector=SimulatedDeflector(settle_s=settle_s), um_per_px=0.1, seed=4
        ) as bench:
            bench.beam.send(spots(*rows, power_mw=power_mw, dwell_s=2e-5))
            after(bench, 0.3)
            variances.append(bench.world.position_um.var(axis=0).mean())
    assert variances[0] / variances[1] == pytest.approx(1.0, abs=0.06)


def test_the_power_is_limited_to_that_of_the_laser() -> None:
    with bench_of(laser=SimulatedLaser(max_power_mw=50.0), power_cap_mw=80.0) as bench:
        assert bench.beam.send(spots(MIDDLE, power_mw=70.0)).power_mw.tolist() == [50.0]
        with pytest.raises(Fault, match="80 mW is allowed"):
            bench.beam.send(spots(MIDDLE, power_mw=81.0))


def test_the_laser_warms_up() -> None:
    with bench_of(laser=SimulatedLaser(warm_up_s=2.0)) as bench:
        cold = bench.beam.send(spots(MIDDLE)).power_mw[0]
        after(bench, 2.0)
        bench.beam.dark("a pause")
        warm = bench.beam.send(spots(MIDDLE)).power_mw[0]
    assert cold < 0.02
    assert warm == pytest.approx(10.0 * (1 - np.exp(-1.0)), rel=1e-2)


def test_an_open_interlock_ends_the_light_at_once_and_is_latched() -> None:
    with bench_of() as bench:
        bench.beam.send(spots(MIDDLE))
        after(bench, 0.01)
        assert len(bench.world.visits.depth_kt) == 1
        bench.laser.set_interlock(False)
        after(bench, 1e-6)
        assert len(bench.world.visits.depth_kt) == 0
        assert bench.laser.status() == "interlock open"
        with pytest.raises(Fault, match="interlock is open"):
            bench.beam.send(spots(MIDDLE))
        with pytest.raises(Fault, match="interlock is open"):
            bench.laser.reset()
        bench.laser.set_interlock(True)
        with pytest.raises(Fault, match="interlock was open"):
            bench.beam.send(spots(MIDDLE))
        bench.laser.reset()
        assert bench.beam.send(spots(MIDDLE)).power_mw.tolist() == [10.0]


def test_a_laser_may_begin_with_its_interlock_open() -> None:
    with bench_of(laser=SimulatedLaser(interlock="open")) as bench, pytest.raises(Fault, match="interlock is open"):
        bench.beam.send(spots(MIDDLE))


def test_in_lockstep_the_heartbeat_is_in_world_time() -> None:
    with bench_of(heartbeat_s=0.2) as bench:
        bench.beam.send(spots(MIDDLE))
        after(bench, 0.1)
        assert len(bench.world.visits.depth_kt) == 1
        after(bench, 0.15)
        assert len(bench.world.visits.depth_kt) == 0
        with pytest.raises(Fault, match="no command came"):
            bench.beam.send(spots(MIDDLE))


def test_a_late_loop_misses_frames_and_their_numbers_are_skipped() -> None:
    camera = SimulatedCamera(fps=200.0, exposure_s=0.002, readout_s=0.001, width_px=32, height_px=32)
    with open_bench(camera=camera, um_per_px=0.1, rate=1.0) as bench:
        first = bench.camera.read()
        time.sleep(0.1)
        second = bench.camera.read()
        now_s = bench.clock.now_s()
        assert first is not None
        assert second is not None
        assert second.number - first.number >= 15
        assert second.time_s == pytest.approx(second.number * 0.005 + 0.001)
        assert now_s >= second.time_s + 0.002  # a frame is not available before it has arrived
        sent = bench.beam.send(spots((1.6, 1.6)))
        assert sent.effect_s > now_s


def test_a_real_time_beam_without_commands_goes_dark() -> None:
    with bench_of(rate=1.0, heartbeat_s=0.05) as bench:
        bench.beam.send(spots(MIDDLE))
        time.sleep(0.3)
        bench.camera.read()
        assert len(bench.world.visits.depth_kt) == 0
        with pytest.raises(Fault, match="no command came"):
            bench.beam.send(spots(MIDDLE))


def test_settings_are_read_from_yaml_and_errors_are_named() -> None:
    text = "number: 7\narrangement: hexagonal\nspecies: [{share: 2}, {share: 1, diameter_ratio: 0.5}]\n"
    made: Sample = build(parse(text, "sample.yaml"), Sample)
    assert made.species[1].diameter_ratio == 0.5
    with pytest.raises(Refused, match=r"sample\.yaml, line 1.*points_um for 3"):
        build(parse("number: 3\narrangement: points\n", "sample.yaml"), Sample)
    kinds: tuple[type, ...] = (SimulatedCamera, SimulatedDeflector, SimulatedLaser)
    for kind in kinds:
        with pytest.raises(Refused, match="unknown key 'sparkle'"):
            build(parse("sparkle: 1\n", "rig.yaml"), kind)


@pytest.mark.parametrize("changes", [{"um_per_px": 0.0}, {"um_per_px": np.nan}, {"um_per_px": 0.1, "rate": 0.0}])
def test_an_impossible_bench_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(Refused):
        open_bench(**changes)
    with pytest.raises(Refused, match="seed"):
        bench_of(seed=-1)

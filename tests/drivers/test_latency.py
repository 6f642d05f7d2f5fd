"""The delay of the whole chain, from the middle of an exposure to the light on the sample, measured by its effect."""

import numpy as np
import pytest

from control.contract import Command
from control.plant import Plant, spot_stiffness
from drivers.sim.bench import open_bench
from drivers.sim.camera import SimulatedCamera
from drivers.sim.deflector import SimulatedDeflector
from drivers.sim.laser import SimulatedLaser
from drivers.sim.sample import Sample

SIDE = 14  # SIDE^2 particles far apart, each in its own trap
DEPTH_KT = 20.0


def diffusion(latency_s: float) -> tuple[float, float]:
    """(long-time D of particles in traps that follow them, relative to the free D; the mean delay of the light)."""
    sample = Sample(number=SIDE**2, arrangement="square", spacing_um=12.0, wca_kt=0.0)
    camera = SimulatedCamera(width_px=16, height_px=16)
    deflector = SimulatedDeflector(
        v_per_um=0.05, bits=30, min_dwell_s=0.0, settle_s=0.0, efficiency_edge=1.0, delay_s=0.001
    )
    far = ((-200.0, -200.0), (200.0, 200.0))
    dwell_s = np.full(SIDE**2, 5e-7)
    power_mw = np.full(SIDE**2, DEPTH_KT / 5.0 * SIDE**2)
    seen = []
    with open_bench(
        sample, camera, deflector, um_per_px=0.1, latency_s=latency_s, seed=8, field_um=far, power_cap_mw=1e4,
        laser=SimulatedLaser(max_power_mw=1e4),
    ) as bench:  # fmt: skip
        for _ in range(600):
            frame = bench.camera.read()
            assert frame is not None
            middle_um = bench.world.exposed(frame.number).mean(axis=0)  # positions of a perfect tracker
            sent = bench.beam.send(Command(middle_um, power_mw, dwell_s, np.arange(SIDE**2)))
            delay_s = sent.effect_s - frame.time_s
            seen.append(middle_um)
    path = np.array(seen[50:])
    lag = 100  # frames: 1 s
    moved = ((path[lag::lag] - path[:-lag:lag]) ** 2).mean()
    return moved / (2 * Plant().diffusion_um2_per_s * lag * 0.01), delay_s


@pytest.mark.parametrize(("latency_s", "delay_s"), [(0.002, 0.0105), (0.0245, 0.033)])
def test_a_following_trap_slows_diffusion_by_its_delay(latency_s: float, delay_s: float) -> None:
    """P9, P13: D_eff = D / (1 + kappa (delay + hold/2))^2, within the transient's few percent."""
    slowed, measured_s = diffusion(latency_s)
    assert measured_s == pytest.approx(delay_s, abs=1e-9)
    plant = Plant()
    kappa = plant.rate_hz(spot_stiffness(DEPTH_KT * plant.kt_pn_um, 0.6))
    assert slowed == pytest.approx(1 / (1 + kappa * (delay_s + 0.005)) ** 2, rel=0.12)

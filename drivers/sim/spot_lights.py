"""The light on a sample in the form for the motion kernels, and the time step that it requires."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from drivers.sim import kernels, parts
from drivers.sim.sample import Sample
from drivers.sim.stage import Stage, Visits

Ints = NDArray[np.int64]

SHARED = 0.02  # visits shorter than this part of a spot's relaxation time act as their time average
STEP_SHARE = 0.1  # longest Heun step in light, over the shortest relaxation time
MOST_WORK = 2e6  # steps per frame times particles: about 0.4 s of one processor


@dataclass(frozen=True)
class SpotLights:
    """Makes the kernels' light from the visits of a beam, for the beads of one sample."""

    sample: Sample
    stage: Stage
    beads: parts.Beads
    kt_pn_um: float
    period_ns: int

    def of(self, visits: Visits, jumped: bool) -> parts.SpotLight:
        """The light of these visits; `jumped`: a single spot was reached by a jump."""
        spot_um, dwell_ns = np.array(visits.spot_um, order="C"), np.array(visits.dwell_ns)
        reach_um = spot_um - np.array(self.stage.middle_um)  # [M, 2]
        hidden = np.maximum(1.0 + reach_um @ np.array(self.sample.light_gradient_per_um), 0.0)
        depth = visits.depth_kt * hidden * self.kt_pn_um  # [M] pN um
        cycle_ns = int(dwell_ns.sum()) + visits.settle_ns * len(depth)
        shared = len(depth) > 1 and not visits.together
        duty = dwell_ns / max(cycle_ns, 1) if shared else np.ones(len(depth))
        quickest = (self.beads.response / self.beads.drag_pn_s_per_um).max(initial=0.0)
        rate_hz = 4.0 * depth / self.stage.waist_um**2 * quickest  # [M] 1 / relaxation time
        resolved = shared and bool((dwell_ns * 1e-9 * rate_hz > SHARED).any())
        waist_um = self.stage.waist_um
        springs = visits.particle is not None
        crowded = not (resolved or springs)
        steepest = kernels.crowding(spot_um, depth * duty, waist_um) if crowded else depth.max(initial=0.0)
        step_s = self.longest_step_s(4.0 * steepest / self.stage.waist_um**2 * quickest)
        if resolved:
            step_s = min(step_s, dwell_ns.min() * 0.25e-9)
        return parts.SpotLight(
            spot_um, depth, duty, dwell_ns, visits.settle_ns, cycle_ns, visits.due_ns,
            jumped, resolved, self._springs(visits), max(int(step_s * 1e9), 1),
        )  # fmt: skip

    def _springs(self, visits: Visits) -> Ints:
        """[N] the spot that acts on each particle as a spring, or -1; empty for Gaussian spots."""
        if visits.particle is None:
            return np.empty(0, np.int64)
        spring = np.full(len(self.beads.cell), -1)
        spring[visits.particle] = np.arange(len(visits.particle))
        return spring

    def longest_step_s(self, rate_hz: float) -> float:
        """min(.1 gamma/k, 1e-4 sigma^2/D, exposure/4) in s.

        With a = k dt/gamma, Heun's variance in a harmonic trap is 2a (1 - a/2)^2 / (1 - (1 - a + a^2/2)^2) of the true
        one: -0.26 % at a = .1, and -1.1 % at .2.
        """
        longest_s = self.stage.exposure_s / 4.0
        if rate_hz > 0:
            longest_s = min(longest_s, STEP_SHARE / rate_hz)
        if self.sample.wca_kt > 0 and self.sample.number > 1:
            diffusion = (self.beads.spread**2).max() / 2.0
            longest_s = min(longest_s, 1e-4 * float(self.beads.diameter_um.min()) ** 2 / diffusion)
        return longest_s

    def steps_a_frame(self, light: parts.SpotLight) -> float:
        return max(self.period_ns, kernels.TICK_NS) / light.step_ns

    def is_too_much_work(self, light: parts.SpotLight) -> bool:
        """Whether a frame, or a tick of the kernel, would take too much computing."""
        return light.step_ns <= 1 or self.steps_a_frame(light) * len(self.beads.cell) > MOST_WORK

    def too_much_work(self, when: str, light: parts.SpotLight) -> str:
        """One sentence with the reason, and the settings that determine it."""
        sample, stage = self.sample, self.stage
        at_most = "at most " if light.step_ns <= 1 else ""
        return (
            f"the simulated sample needs {self.steps_a_frame(light):.3g} steps of {at_most}{light.step_ns:g} ns a "
            f"frame for {len(self.beads.cell)} particles {when} (allowed: {MOST_WORK:g} steps times particles, of more "
            f"than 1 ns): sample.drag_pn_s_per_um is {sample.drag_pn_s_per_um:.3g}, sample.temperature_k "
            f"{sample.temperature_k:.3g}, sample.diameter_um {sample.diameter_um:.3g}, the light's waist "
            f"{stage.waist_um:.3g} um, camera.exposure_s {stage.exposure_s:.3g}, camera.fps {1.0 / stage.period_s:.6g}"
            "; the light's depth is set by depth_kt_per_mw"
        )

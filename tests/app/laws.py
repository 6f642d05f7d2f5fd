"""An experiment whose law is a Python file."""

from __future__ import annotations

from pathlib import Path

from app.assembly.rig import RIGS

SPRING = '''
import numpy as np

import cybloids as cy


class Spring(cy.Law):
    """To the middle of the field."""

    def __init__(self, stiffness_pn_per_um=0.1):
        self.stiffness_pn_per_um = stiffness_pn_per_um

    def force_pn(self, now):
        return -self.stiffness_pn_per_um * (now.position_um - np.asarray(now.middle_um))


class Steps(cy.Law):
    """A law with a memory: it pushes to the right in every second turn."""

    def start(self):
        return 0

    def step(self, memory, now):
        return memory + 1, np.tile([0.05 * (memory % 2), 0.0], (len(now.particle), 1))


class Late(cy.Law):
    """Back to where each particle was."""

    def __init__(self, delay_s=0.2):
        self.delays_s = (delay_s,)

    def force_pn(self, now):
        return 0.1 * (now.past_um(self.delays_s[0]) - now.position_um)


class Broken(cy.Law):
    """It fails where there are particles."""

    def force_pn(self, now):
        return 1.0 / (0 * len(now.particle)) if len(now.particle) else np.empty((0, 2))


class Tired(Spring):
    """It fails in its 100th turn."""

    def start(self):
        return 0

    def step(self, memory, now):
        if memory == 99:
            raise RuntimeError("tired")
        return memory + 1, self.force_pn(now)


class Wild(cy.Law):
    """Its forces are no numbers."""

    def force_pn(self, now):
        return np.full((len(now.particle), 2), np.nan)


class Flat(cy.Law):
    """Its answer has a wrong shape."""

    def force_pn(self, now):
        return np.zeros(3)
'''


def lay_out(folder: Path, law: str = "my_laws:Spring", source: str = SPRING, more: str = "") -> Path:
    """Writes my_laws.py, and an experiment that names it, into a folder; returns the path of the experiment."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "my_laws.py").write_text(source, encoding="utf-8")
    experiment = folder / "spring.yaml"
    experiment.write_text(
        f"title: Spring\nrig: {RIGS / 'simulated.yaml'}\nseconds: 0.4\n"
        f'policy: {{kind: python, law: "{law}"{more}}}\n'
        "set: {sample.number: 3, sample.arrangement: line, camera.width_px: 128, camera.height_px: 128}\n",
        encoding="utf-8",
    )
    return experiment

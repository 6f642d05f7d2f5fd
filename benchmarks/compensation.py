"""Latency compensation: divergence of the density under a steered law from exp(-U / kT) of the given potential U.

python -m benchmarks.compensation --out benchmarks/results/compensation.json [--rows 0 1]

At z = kappa (latency + hold / 2) = 0.5 and a virtual stiffness of 0.4 kappa: a harmonic and a double well of 2 kT, on
the plant bench (exact springs, independent cells) and with rendered frames (36 wells, Gaussian spots, time sharing).
The settings of the rig are right, or wrong on purpose. Runs are kept in --folder and not repeated.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.assembly.plan import planned
from app.assembly.rig import RIGS
from app.console.json_file import write_json
from app.running.headless import fly
from benchmarks.density import divergence, gain
from config.reader import Document
from control.plant import Plant
from drivers.journal import read_run
from drivers.journal.tidy import tidy_tracks

Floats = NDArray[np.float64]

PLANT = Plant()
KT, D = PLANT.kt_pn_um, PLANT.diffusion_um2_per_s
LATENCY_S, HOLD_S = 0.0106, 0.01
RATE_HZ = 0.5 / (LATENCY_S + HOLD_S / 2.0)  # z = 0.5
STIFFNESS = RATE_HZ * PLANT.drag_pn_s_per_um
VIRTUAL = 0.4 * STIFFNESS
WIDTH_UM = math.sqrt(KT / VIRTUAL)
WIDE_UM = 20_000.0  # waist of the plant bench
WAIST_UM = 0.6  # waist of the simulated rig
APART_UM = 4.0 * WIDTH_UM  # half the distance of the wells: curvature VIRTUAL at a barrier of 2 kT
SITE_UM = 5.0  # distance of the rendered wells
BINS = 24
EQUILIBRIUM_S = 1.0
LEARNED_S = 15.0  # start of the density if a wrong setting must be learned first


@dataclass(frozen=True)
class Well:
    """A given potential: its energy along x (`energy_kt`, from the middle of the well), and the bins of its density."""

    name: str
    plant: dict[str, Any]  # its shape on the plant bench
    rendered: dict[str, Any]  # 36 copies, SITE_UM apart
    energy_kt: Callable[[Floats], Floats]
    rendered_kt: Callable[[Floats], Floats]
    edges: Floats
    folded: bool = False  # |x| instead of x and y: it does not matter in which well a particle is


def harmonic_kt(x_um: Floats) -> Floats:
    return np.asarray(0.5 * (x_um / WIDTH_UM) ** 2)


def cosine_kt(x_um: Floats) -> Floats:
    q = 2.0 * math.pi / SITE_UM
    return np.asarray((1.0 - np.cos(q * x_um)) / (q * WIDTH_UM) ** 2)


def double_kt(x_um: Floats) -> Floats:
    return np.asarray(2.0 * ((x_um / APART_UM) ** 2 - 1.0) ** 2)


def double_waves_kt() -> tuple[float, float]:
    """(A, B) of A (cos qx - 1) + B (cos 2qx - 1), which is the double well to fourth order in x."""
    s = (2.0 * math.pi / SITE_UM * APART_UM) ** 2
    a, b = np.linalg.solve([[-0.5, -2.0], [1.0 / 24.0, 16.0 / 24.0]], [-4.0 / s, 2.0 / s**2])
    return float(a), float(b)


def double_cosine_kt(x_um: Floats) -> Floats:
    (a, b), q = double_waves_kt(), 2.0 * math.pi / SITE_UM
    return np.asarray(a * (np.cos(q * x_um) - 1.0) + b * (np.cos(2.0 * q * x_um) - 1.0))


def formula(text: str, **parameters: float) -> dict[str, Any]:
    return {"kind": "formula", "formula": text, "parameters": parameters}


Q = 2.0 * math.pi / SITE_UM
WAVE = VIRTUAL / Q**2
WELLS = {
    "harmonic": Well(
        "harmonic", {"kind": "harmonic", "stiffness_pn_per_um": VIRTUAL},
        formula("A*(2 + cos(q*x) + cos(q*y))", A=WAVE, q=Q),  # the sites are at odd multiples of SITE_UM / 2
        harmonic_kt, cosine_kt, np.linspace(-3.0, 3.0, BINS + 1) * WIDTH_UM,
    ),
    "double": Well(
        "double", formula("2*e*((x/b)**2 - 1)**2 + 0.5*k*y**2", e=KT, b=APART_UM, k=VIRTUAL),
        formula(
            "-a*cos(q*x) + b*cos(2*q*x) + A*cos(q*y)", a=KT * double_waves_kt()[0], b=KT * double_waves_kt()[1],
            A=WAVE, q=Q,
        ),
        double_kt, double_cosine_kt, np.linspace(0.0, 1.6 * APART_UM, BINS + 1), folded=True,
    ),
}  # fmt: skip
WAYS: dict[str, dict[str, Any]] = {
    "none": {}, "leading": {"compensate_latency": True}, "predict": {"predict": True},
    "configured": {"predict": True, "learn": False},
}  # fmt: skip
WRONG: dict[str, dict[str, Any]] = {  # deviations of the true rig from its settings
    "right": {}, "20 % too stiff": {"stiffness": 1.2}, "20 % too soft": {"stiffness": 0.8},
    "3 ms later": {"late_s": 0.003},
}  # fmt: skip


def flown_on_plant(
    well: Well, way: str, out: Path, *, seconds: float, particles: int, seed: int = 3, stiffness: float = 1.0,
    error_um: float = 0.0,
) -> Floats:  # fmt: skip
    """[T, particles, 2] um from the middle; the true stiffness of traps is `stiffness` times that of the settings."""
    depth_kt_per_mw = 1e15
    wanted = {
        "title": f"{well.name}, {way}", "rig": str(RIGS / "plant.yaml"), "seed": seed,
        "trap": {"depth_kt": STIFFNESS * WIDE_UM**2 / (4.0 * KT), **WAYS[way]},
        "policy": {"kind": "programmed", "forces": [{"kind": "external", "shape": well.plant}]},
        "set": {"camera.fps": 1.0 / HOLD_S, "camera.error_um": error_um, "loop.latency_s": LATENCY_S,
                "optics.depth_kt_per_mw": depth_kt_per_mw, "laser.depth_kt_per_mw": stiffness * depth_kt_per_mw,
                "sample.number": 1, "sample.cells": particles, "sample.arrangement": "points",
                "sample.points_um": [[APART_UM if well.folded else 0.0, 0.0]]},
    }  # fmt: skip
    return flown(wanted, seconds, out)


def flown_rendered(
    well: Well, way: str, out: Path, *, seconds: float, particles: int = 16, seed: int = 4, stiffness: float = 1.0,
    late_s: float = 0.0,
) -> Floats:  # fmt: skip
    """[T, particles, 2] um from the middles of 16 or 36 wells, with images, tracking, time sharing and Gaussian spots,
    whose stiffness decreases outwards. More wells need a wider image and a stronger beam.
    """
    wide_px = 256 if particles <= 16 else 320
    power_mw = 200.0 * math.ceil(particles / 16)
    wanted = {
        "title": f"{well.name}, {way}", "rig": str(RIGS / "simulated.yaml"), "seed": seed,
        "trap": {"depth_kt": STIFFNESS * WAIST_UM**2 / (4.0 * KT), **WAYS[way]},
        "policy": {"kind": "programmed", "forces": [{"kind": "external", "shape": well.rendered}]},
        "set": {"sample.number": particles, "sample.arrangement": "square", "sample.spacing_um": SITE_UM,
                "camera.width_px": wide_px, "camera.height_px": wide_px, "laser.max_power_mw": power_mw,
                "loop.power_cap_mw": power_mw, "deflector.efficiency_edge": 1.0,
                "laser.depth_kt_per_mw": 5.0 * stiffness, "deflector.true_delay_s": 1e-4 + late_s},
    }  # fmt: skip
    place = flown(wanted, seconds, out)
    site_um = SITE_UM * (np.floor(place[0] / SITE_UM) + 0.5)
    return np.asarray(place - site_um)


def flown(wanted: dict[str, Any], seconds: float, out: Path) -> Floats:
    """[T, N, 2] um from the middle of the field: of a new run or, if the file `out` (npy) exists, from that file.

    Missing positions are interpolated.
    """
    if not out.exists():
        made = planned(Document(out.stem, wanted, {}), None, (), RIGS)
        run_file = out.with_suffix(".h5")
        run_file.unlink(missing_ok=True)
        fly(made, seconds, run_file, False, out.stem)
        with read_run(run_file) as run:
            tracks = tidy_tracks(run)
        run_file.unlink()
        place = [tracks.pivot(index="frame", columns="particle", values=f"{axis}_um").interpolate() for axis in "xy"]
        np.save(out, np.stack([one.to_numpy() for one in place], axis=2) - np.asarray(made.rig.middle_um))
    return np.asarray(np.load(out), np.float64)


def values(well: Well, place_um: Floats, from_s: float) -> Floats:
    """[T, N] coordinates for the density, from `from_s` on."""
    late = place_um[round(from_s / HOLD_S) :]
    return np.abs(late[..., 0]) if well.folded else late.reshape(len(late), -1)


def compared(well: Well, found: dict[str, Floats], energy_kt: Callable[[Floats], Floats]) -> dict[str, Any]:
    """Divergence of each way, and the factor by which it is smaller than that of other ways."""
    table: dict[str, Any] = {}
    for way, value in found.items():
        apart = divergence(value, energy_kt, well.edges)
        table[way] = {"kl": apart.value, "bias": apart.bias, "independent": apart.independent}
        for other in {"predict": ("none", "leading", "configured"), "configured": ("none", "leading")}.get(way, ()):
            if other in found:
                table[way][f"over_{other}"] = asdict(gain(found[other], value, energy_kt, well.edges))
    return table


def rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: rounded(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [rounded(inner) for inner in value]
    return float(f"{value:.4g}") if isinstance(value, float) else value


CASES = (  # level, well, deviation of the true rig from its settings, seconds of each flight, particles
    ("plant", "harmonic", "right", (61.0,), 128),
    ("plant", "double", "right", (81.0,), 256),
    ("rendered", "harmonic", "right", (121.0,), 36),
    ("plant", "harmonic", "20 % too stiff", (51.0,), 128),
    ("plant", "harmonic", "20 % too soft", (51.0,), 128),
    ("rendered", "harmonic", "20 % too stiff", (121.0,), 36),
    ("rendered", "harmonic", "3 ms later", (121.0,), 36),
    ("rendered", "double", "right", (121.0,) * 4, 36),
)


def flight(row: int, way: str, number: int, folder: Path, seed: int) -> Floats:
    """[T, particles, 2] um of one flight of a row, in one of the WAYS: new, or from `folder`."""
    level, name, wrong, lasting_s, particles = CASES[row]
    again = f"_{number}" if number else ""
    out = folder / f"{level}_{name}_{wrong.replace(' ', '-').replace('%', 'pc')}_{way}{again}.npy"
    kind: dict[str, Any] = {"seconds": lasting_s[number], "seed": seed + number, **WRONG[wrong]}
    fly_it = flown_on_plant if level == "plant" else flown_rendered
    return fly_it(WELLS[name], way, out, particles=particles, **kind)


def case(row: int, folder: Path, seed: int) -> dict[str, Any]:
    """One row of the table."""
    level, name, wrong, lasting_s, particles = CASES[row]
    well, found = WELLS[name], {}
    from_s = EQUILIBRIUM_S if wrong == "right" else LEARNED_S
    for way in WAYS:
        flights = [flight(row, way, number, folder, seed) for number in range(len(lasting_s))]
        found[way] = pieces([values(well, place_um, from_s) for place_um in flights])
    table = rounded(compared(well, found, well.energy_kt if level == "plant" else well.rendered_kt))
    said = {way: (one["kl"], one.get("over_none", {}).get("least")) for way, one in table.items()}
    print(level, name, wrong, said, flush=True)
    return {"level": level, "well": name, "truth": wrong, "particles": particles, "seconds": lasting_s, **table}


def pieces(flights: list[Floats]) -> Floats:
    """[T, N] of flights [T_i, N_i], cut into pieces of the length of the shortest flight.

    This length is large compared with the relaxation time of a well.
    """
    frames = min(len(one) for one in flights)
    cut = [one[k * frames : (k + 1) * frames] for one in flights for k in range(len(one) // frames)]
    return np.concatenate(cut, axis=1)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--folder", type=Path, default=Path("runs") / "compensation")
    parser.add_argument("--rows", type=int, nargs="+", default=list(range(len(CASES))))
    parser.add_argument("--seed", type=int, default=11)
    parser.add_argument("--out", type=Path, default=None)
    asked = parser.parse_args()
    asked.folder.mkdir(parents=True, exist_ok=True)
    rows = [case(row, asked.folder, asked.seed) for row in asked.rows]
    if asked.out is not None:
        write_json(asked.out, {"z": 0.5, "virtual": 0.4, "bins": BINS, "rows": rows})


if __name__ == "__main__":
    main()

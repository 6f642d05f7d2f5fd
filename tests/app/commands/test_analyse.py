"""The report of a run: work and heading memory against closed forms, and the page."""

from __future__ import annotations

import json
import math
import shutil
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
from scipy.optimize import brentq

from app.analysis.findings import RunTables, conditions_of, findings, of_delay, of_memory, plain, row
from app.analysis.heat import work_and_heat
from app.analysis.orientation import heading_memory, persistence_s
from app.analysis.predicted_motion import predicted_persistence_s, predicted_speed_um_per_s
from app.analysis.run_description import info, text
from app.assembly.plan import plan
from app.assembly.rig import EXPERIMENTS
from app.commands.analyse import analyse_run, tables
from app.commands.replay import replay_recording
from app.console.html_page import Page
from app.running.headless import fly
from config.refused import Refused
from control.theory.delayed import heat_kt_per_s


def commands(times_s: list[float], x_um: list[float], depth_mw: float = 4.0) -> pd.DataFrame:
    """Commands of one spot that moves along x."""
    number = len(times_s)
    columns = {
        "command": ["sent"] * number, "turn": range(number), "effect_s": times_s, "x_um": x_um, "y_um": [0.0] * number,
        "power_mw": [depth_mw] * number, "dwell_s": [1e-4] * number,
    }  # fmt: skip
    return pd.DataFrame(columns)


def turns_of(commands: pd.DataFrame) -> pd.DataFrame:
    """The turns for light that never pauses."""
    first = commands.drop_duplicates("turn")
    return pd.DataFrame({"turn": first["turn"], "sent_effect_s": first["effect_s"]})


def tracks(time_s: np.ndarray, place_um: np.ndarray) -> pd.DataFrame:
    """Tracks of one particle with place_um [T, 2]."""
    columns = {"frame": np.arange(len(time_s)), "time_s": time_s, "particle": 0}
    return pd.DataFrame({**columns, "x_um": place_um[:, 0], "y_um": place_um[:, 1]})


def test_the_work_of_a_move_is_the_difference_of_energies() -> None:
    seen = tracks(np.array([0.0, 0.01, 0.02]), np.array([[0.1, 0.0], [0.2, 0.0], [0.3, 0.0]]))
    moved = commands([0.004, 0.015], [0.0, 0.3])
    work = work_and_heat(seen, moved, turns_of(moved), waist_um=0.6, depth_kt_per_mw=5.0, diffusion_um2_per_s=0.0)

    def energy(x: float, spot: float) -> float:
        return -20.0 * math.exp(-2.0 * (x - spot) ** 2 / 0.36)

    assert len(work) == 1
    assert work["work_kt"][0] == pytest.approx(energy(0.25, 0.3) - energy(0.25, 0.0))


def test_the_heat_of_a_delayed_harmonic_trap_agrees_with_p12() -> None:
    """Every ms each trap is centred on the position of its particle 160 ms before. The spots are so wide that they are
    harmonic."""
    rate_hz, d, delay_s, frame_s, depth_kt = 25.0, 0.1, 0.16, 1e-3, 4000.0
    waist_um = math.sqrt(4.0 * depth_kt * d / rate_hz)  # kappa = 4 U D / (kT w^2)
    chance, number, many, fine = np.random.default_rng(1), 3000, 12, 4
    place, trap, here = np.zeros((number, many, 2)), np.zeros((number, many, 2)), np.zeros((many, 2))
    for n in range(number):
        place[n] = here
        trap[n] = place[max(n - round(delay_s / frame_s), 0)]
        for _ in range(fine):
            dt_s = frame_s / fine
            here = here - rate_hz * (here - trap[n]) * dt_s + math.sqrt(2 * d * dt_s) * chance.normal(size=(many, 2))
    apart = 100.0 * waist_um * np.arange(many)[:, None] * np.array([1.0, 0.0])
    place, trap = (place + apart).reshape(-1, 2), (trap + apart).reshape(-1, 2)
    turn = np.repeat(np.arange(number), many)
    seen = pd.DataFrame({"frame": turn, "time_s": frame_s * turn, "particle": np.tile(np.arange(many), number),
                         "x_um": place[:, 0], "y_um": place[:, 1]})  # fmt: skip
    moved = pd.DataFrame({
        "command": "sent", "turn": turn, "effect_s": frame_s * turn, "x_um": trap[:, 0], "y_um": trap[:, 1],
        "power_mw": depth_kt * many, "dwell_s": 1e-4,
    })  # fmt: skip
    work = work_and_heat(seen, moved, turns_of(moved), waist_um=waist_um, depth_kt_per_mw=1.0, diffusion_um2_per_s=d)
    expected = 2.0 * heat_kt_per_s(rate_hz, delay_s + frame_s / 2.0)
    for name in ("work_kt", "heat_kt"):
        each = work.groupby("particle")[name].sum().to_numpy() / (number * frame_s)
        error = each.std(ddof=1) / math.sqrt(many)
        assert error < 4.0
        assert abs(each.mean() - expected) < 4.0 * error


def test_the_persistence_time_of_an_active_particle_is_measured() -> None:
    chance, fps, turning = np.random.default_rng(2), 100.0, 0.5
    angle = np.cumsum(chance.normal(0, math.sqrt(2 * turning / fps), 60_000))
    place = np.cumsum(2.0 / fps * np.stack([np.cos(angle), np.sin(angle)], axis=1), axis=0)
    run = tracks(np.arange(len(place)) / fps, place).assign(carried=False)
    memory = heading_memory(run, 0.1, fps, 4.0)
    assert memory.iloc[0] == pytest.approx(1.0)
    assert persistence_s(memory, 0.1) == pytest.approx(1.0 / turning, rel=0.15)
    assert math.isnan(persistence_s(memory.iloc[:2], 0.1))


def test_a_page_is_complete_and_loads_no_other_file(tmp_path: Path) -> None:
    page = Page("a < b")
    page.table(("x",), [("1 & 2",)])
    page.figure(lambda axes: axes.plot([0, 1]), 'a "figure"')
    page.folded("settings", "<yaml>")
    page.save(tmp_path / "deep" / "page.html")
    text = (tmp_path / "deep" / "page.html").read_text()
    assert "a &lt; b" in text
    assert "1 &amp; 2" in text
    assert "data:image/png;base64," in text
    assert "http" not in text


@pytest.fixture(scope="module")
def swimming(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("run") / "swimming.h5"
    fly(plan(EXPERIMENTS / "annular_activity.yaml"), 12.0, out, False, "swimming")
    return out


def test_the_report_contains_predicted_and_measured_values(swimming: Path, tmp_path: Path) -> None:
    assert analyse_run(swimming, tmp_path / "report.html", json=tmp_path / "report.json") == 0
    found = {one["name"]: one for one in json.loads((tmp_path / "report.json").read_text())["findings"]}
    speed = found["speed over τ"]
    assert speed["measured"] == pytest.approx(speed["predicted"], rel=0.15)
    assert found["achieved delay τ"]["measured"] == pytest.approx(0.5)
    assert found["latency, mid-exposure to effect"]["predicted"] == pytest.approx(0.0106)
    text = (tmp_path / "report.html").read_text()
    assert text.count("<figure>") == 6
    assert "estimate, not calibrated" in text


def test_many_particles_have_bonds_and_pairs(tmp_path: Path) -> None:
    out = tmp_path / "crystal.h5"
    fly(plan(EXPERIMENTS / "ring_crystal.yaml"), 4.0, out, False, "crystal")
    run, _, _ = tables(out)
    found = {one.name: one for one in findings(run)}
    assert found["bond length"].measured == pytest.approx(2.5, rel=0.03)
    assert found["|ψ6|"].measured > 0.8 > found["|ψ6|"].random == pytest.approx(0.366, abs=0.002)
    assert math.isnan(found["|ψ6|"].predicted)  # a random value is no prediction
    assert row(found["|ψ6|"])[0] == "|ψ6|  (random 0.366)"
    assert plain(found["|ψ6|"])["random"] == found["|ψ6|"].random
    assert analyse_run(out, None, json=None) == 0
    assert out.with_suffix(".html").read_text().count("<figure>") == 7


def test_a_run_in_the_dark_predicts_only_free_diffusion(tmp_path: Path) -> None:
    """The particle diffuses freely, and the report contains only this; the same for a replay of the recording."""
    dark, again = tmp_path / "dark.h5", tmp_path / "again.h5"
    fly(plan(EXPERIMENTS / "annular_activity.yaml"), 6.0, dark, True, "dark", armed=False)
    assert replay_recording(dark, None, None, (), out=again, frames=False, json=None) == 0
    for path in (dark, again):
        found = {one.name: one for one in findings(tables(path)[0])}
        assert [*found] == ["D_eff", "speed over τ"]
        assert math.isnan(found["speed over τ"].predicted)
        assert found["D_eff"].predicted == pytest.approx(0.113, abs=0.001)
        assert abs(found["D_eff"].measured - 0.113) < 5.0 * found["D_eff"].error
        assert analyse_run(path, None, json=None) == 0
        assert path.with_suffix(".html").read_text().count("<figure>") == 4


def test_the_replay_of_a_lit_run_is_not_compared_with_free_particles(tmp_path: Path) -> None:
    """Regression: "no light has acted" was stated, with kT/gamma as the prediction."""
    lit, again = tmp_path / "lit.h5", tmp_path / "again.h5"
    fly(plan(EXPERIMENTS / "annular_activity.yaml"), 3.0, lit, True, "lit")
    assert replay_recording(lit, None, None, (), out=again, frames=False, json=None) == 0
    run = tables(again)[0]
    found = next(one for one in findings(run) if one.name == "D_eff")
    assert math.isnan(found.predicted)
    assert "no light" not in found.source
    assert run.plan.rig.tracking.trapped == "recorded"


def test_there_is_no_prediction_in_guessed_units(tmp_path: Path) -> None:
    dark = tmp_path / "dark.h5"
    fly(plan(EXPERIMENTS / "annular_activity.yaml", None, ("sample.number=1",)), 1.0, dark, False, "dark", armed=False)
    run = tables(dark)[0]
    for unknown in ((), ("optics.um_per_px",)):
        found = of_memory(replace(run, plan=replace(run.plan, unknown=unknown)))[0]
        assert math.isnan(found.predicted) == bool(unknown)


def test_the_predicted_persistence_time_includes_the_position_age() -> None:
    """As in `reproduce P18`, with the rate of the spot at the position of the particle. Painted light has no age."""
    made = plan(EXPERIMENTS / "annular_activity.yaml")
    conditions = conditions_of(made, 1, made.rig.camera.fps)
    k, w, a, tau = conditions.light.stiffness_pn_per_um, conditions.light.waist_um, conditions.age_s, 0.5
    speed, d = predicted_speed_um_per_s(made.experiment, conditions), conditions.plant.diffusion_um2_per_s
    drag_pn = conditions.plant.drag_pn_s_per_um * speed
    trap_hz = conditions.plant.rate_hz(k)

    def wider(q: float) -> float:  # widening by the scatter in the spot, 2 D a / (1 + kappa a)
        return 1.0 + 8.0 * d * a / (1.0 + trap_hz / q**2 * a) / w**2 - q

    q = brentq(wider, 1.0, 1.5)
    # offset at which the spot balances the drag
    behind_um = brentq(lambda u: k / q**2 * u * math.exp(-2.0 * (u / w) ** 2 / q) - drag_pn, 0.0, w / 2.0)
    expected = (speed * (tau + a + speed / behind_um * a * tau)) ** 2 / (4.0 * d)
    assert predicted_persistence_s(made.experiment, conditions) == pytest.approx(expected, rel=1e-6)
    in_the_middle = (speed * (tau + a + trap_hz * a * tau)) ** 2 / (4.0 * d)
    assert expected == pytest.approx(in_the_middle, rel=0.06)  # as in the row P18
    assert expected > 1.9 * (speed * tau) ** 2 / (4.0 * d)
    painted = replace(made.experiment, mode="landscape")
    speed = predicted_speed_um_per_s(painted, conditions)
    assert predicted_persistence_s(painted, conditions) == pytest.approx((speed * tau) ** 2 / (4.0 * d))
    assert math.isnan(predicted_persistence_s(plan(EXPERIMENTS / "ring_crystal.yaml").experiment, conditions))


def test_a_predicting_trap_has_no_z_of_the_latency() -> None:
    made = plan(EXPERIMENTS / "annular_activity.yaml")
    conditions, time_s = conditions_of(made, 1, made.rig.camera.fps), np.arange(20) / 100.0
    nothing = pd.DataFrame({"delay_achieved_s": []})
    lit = pd.DataFrame({"command": "sent", "turn": np.arange(20)})
    turns = pd.DataFrame({"turn": np.arange(20), "frame_time_s": time_s, "sent_effect_s": time_s + 0.0106})
    run = RunTables(made, conditions, 100.0, pd.DataFrame(), lit, nothing, nothing, turns)
    found = {one.name: one for one in of_delay(run)}
    assert found["z of the latency"].measured == pytest.approx(found["z of the latency"].predicted)
    assert found["z of the latency"].predicted == pytest.approx(0.37, abs=0.002)  # 0.39 in the centre of the trap
    ahead = replace(made.experiment, trap=replace(made.experiment.trap, predict=True))
    assert "z of the latency" not in {one.name for one in of_delay(replace(run, plan=replace(made, experiment=ahead)))}


def test_late_diffusion_follows_from_speed_and_persistence(swimming: Path) -> None:
    found = {one.name: one for one in findings(tables(swimming)[0])}
    late, speed, lasting = found["D_eff"], found["speed over τ"], found["persistence time"]
    assert late.predicted == pytest.approx(speed.predicted**2 * lasting.predicted / 2.0, rel=1e-3)
    assert found["T_eff"].predicted == pytest.approx(295.0 * late.predicted / 0.1131, rel=1e-3)
    # twelve seconds are short: the result is NaN, or a value larger than its error
    assert math.isnan(lasting.measured) or lasting.error < lasting.measured
    assert late.measured == pytest.approx(speed.measured**2 * lasting.measured / 2.0, rel=1e-3, nan_ok=True)


def changed(run: Path, path: Path, table: str = "", **calibration: object) -> Path:
    """A copy of a run without a table, or with another calibration in its header."""
    shutil.copy(run, path)
    with h5py.File(path, "r+") as file:
        if table:
            del file[table]
        else:
            header = json.loads(bytes(file["header"][:]))
            text = json.dumps({**header, "calibration": {**header["calibration"], **calibration}}).encode()
            del file["header"]
            file["header"] = np.frombuffer(text, np.uint8)
    return path


def test_a_calibration_without_a_residual_is_listed(swimming: Path, tmp_path: Path) -> None:
    made = [{"what": "drift", "date": "2026-01-02T03:04:05", "residual": None, "unit": "um/s"}]
    run = changed(swimming, tmp_path / "run.h5", made=made)
    assert analyse_run(run, None, json=None) == 0
    assert "Calibration: drift (2026-01-02);" in (tmp_path / "run.html").read_text()
    assert "drift 2026-01-02" in text(info(run))


@pytest.mark.parametrize("made", [[{"wat": "drift"}], [3], 3, [{"what": "drift", "date": 5, "residual": "x"}]])
def test_an_unreadable_calibration_is_refused(swimming: Path, tmp_path: Path, made: object) -> None:
    run = changed(swimming, tmp_path / "run.h5", made=made)
    with pytest.raises(Refused, match=r"run\.h5: what the header says of the calibration"):
        analyse_run(run, None, json=None)
    with pytest.raises(Refused, match=r"run\.h5: what the header says of the calibration"):
        text(info(run))


def test_a_run_without_a_table_is_refused(swimming: Path, tmp_path: Path) -> None:
    run = changed(swimming, tmp_path / "run.h5", "tracks")
    with pytest.raises(Refused, match=r"run\.h5: this run is damaged: it has no 'tracks'"):
        analyse_run(run, None, json=None)


def test_a_folder_is_refused_as_run_and_as_report(swimming: Path, tmp_path: Path) -> None:
    with pytest.raises(Refused, match="found a folder, where a run file"):
        analyse_run(tmp_path, None, json=None)
    (tmp_path / "reports").mkdir()
    with pytest.raises(Refused, match="found a folder, where a plain file is needed"):
        analyse_run(swimming, tmp_path / "reports", json=None)
    with pytest.raises(Refused, match="found a folder"):
        Page("").save(tmp_path / "reports")
    assert [path.name for path in tmp_path.iterdir()] == ["reports"]


def test_a_run_without_particles_is_refused(tmp_path: Path) -> None:
    out = tmp_path / "empty.h5"
    fly(plan(EXPERIMENTS / "ring_crystal.yaml", None, ["sample.number=0"]), 0.5, out, False, "empty")
    with pytest.raises(Refused, match="no particle was seen"):
        analyse_run(out, None, json=None)

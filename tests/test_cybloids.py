"""The Python API: whole runs, with the same numbers as the command line, trackpy and the loop."""

from __future__ import annotations

import inspect
import linecache
import signal
import threading
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import trackpy
import yaml

import cybloids as cy
from app.analysis.export import export
from app.assembly.machine import build_machine
from app.assembly.open import open_instrument
from app.assembly.rig import field_um
from app.running.stop_signals import Stopped, caught_in_program, numbers
from control.contract import STILL_LIT, Level
from control.policies.programmed import SteeredTraps
from tests.app.laws import lay_out

SMALL = {
    "camera.width_px": 160, "camera.height_px": 160, "sample.number": 7, "sample.arrangement": "hexagonal",
    "sample.spacing_um": 2.5,
}  # fmt: skip
RING = cy.EXPERIMENTS / "ring_crystal.yaml"


DEEP: Any = 1
for _ in range(3000):
    DEEP = [DEEP]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> cy.Run:
    """One second of seven particles without light, with frames."""
    out = tmp_path_factory.mktemp("runs") / "ring.h5"
    return cy.run(cy.load(RING, sets=SMALL), seconds=1.0, out=out, armed=False)


def test_every_public_name_has_a_docstring_and_types() -> None:
    for name in cy.__all__:
        public: Any = getattr(cy, name)
        if inspect.isfunction(public):
            assert set(inspect.signature(public).parameters) | {"return"} == set(public.__annotations__), name
        if not isinstance(public, Path):
            assert (public.__doc__ or "").strip(), name
    for error in (cy.Refused, cy.Fault, cy.Ended):
        assert issubclass(error, Exception)


def test_tracks_equal_the_exported_table(run: cy.Run, tmp_path: Path) -> None:
    export(run.path, "parquet", tmp_path)
    pd.testing.assert_frame_equal(run.tracks, pd.read_parquet(tmp_path / "tracks.parquet"), check_dtype=False)
    assert list(run.tracks)[:7] == ["frame", "time_s", "particle", "x", "y", "x_um", "y_um"]
    assert {"state", "species", "carried", "mass", "size", "ecc"} <= set(run.tracks)
    np.testing.assert_allclose(run.tracks["x_um"], run.tracks["x"] * run.um_per_px, atol=1e-9)
    assert len(run) == run.summary["turns"] == run.tracks["frame"].nunique()
    with pytest.raises(cy.Refused, match="tracks, forces"):
        run.table("track")


def test_the_msd_equals_that_of_trackpy(run: cy.Run) -> None:
    here = cy.msd(run, largest_lag_s=0.2)
    there = trackpy.emsd(run.tracks, run.um_per_px, run.fps, max_lagtime=len(here))
    np.testing.assert_allclose(here.to_numpy(), there.to_numpy(), rtol=1e-9)
    pd.testing.assert_series_equal(cy.msd(run.path, largest_lag_s=0.2), here)


def test_a_run_verifies_and_has_findings(run: cy.Run) -> None:
    answer = cy.verify(run)
    assert answer
    assert (answer.difference, answer.turns) == (None, len(run))
    table = cy.findings(run)
    assert "D_eff" in set(table["name"])
    assert {"name", "unit", "predicted", "measured", "stderr", "from"} <= set(table)


def test_a_changed_record_is_not_equal(run: cy.Run, tmp_path: Path) -> None:
    import h5py

    changed = tmp_path / "changed.h5"
    changed.write_bytes(run.path.read_bytes())
    with h5py.File(changed, "r+") as file:
        rows = file["tracks"][...]
        rows["x_um"][30] += 1e-6
        file["tracks"][...] = rows
    answer = cy.verify(changed)
    assert not answer
    assert answer.difference


def test_a_run_with_a_python_law_verifies(tmp_path: Path) -> None:
    plan = cy.load(lay_out(tmp_path), allow_python=["my_laws"], sets={"policy.parameters.stiffness_pn_per_um": 0.2})
    with cy.run(plan, seconds=0.5, out=tmp_path / "spring.h5") as run:
        forces = run.table("forces")
        assert len(forces) > 50
        together = forces.merge(run.tracks, on=["turn", "particle"], suffixes=("", "_of_track"))
        wanted_pn = -0.2 * (together[["x_um", "y_um"]].to_numpy() - middle_um(plan))
        np.testing.assert_allclose(together[["fx_pn", "fy_pn"]].to_numpy(), wanted_pn, atol=1e-9)
        assert cy.verify(run)


def middle_um(plan: cy.Plan) -> Any:
    """The middle of the field."""
    low_um, high_um = field_um(plan.rig)
    return (np.asarray(low_um) + np.asarray(high_um)) / 2.0


def test_a_rig_is_dark_until_armed_and_after_the_block(tmp_path: Path) -> None:
    plan = cy.load(RING, sets=SMALL)
    with cy.open(plan, out=tmp_path / "live.h5") as rig:
        assert all(turn.level is Level.SAFE and not len(turn.sent) for turn in rig.turns(4))
        rig.arm()
        lit = list(rig.turns(6))
        assert lit[-1].level is Level.ARMED
        assert len(lit[-1].sent)
        rig.apply(cy.load(RING, sets={**SMALL, "policy.forces.0.shape.depth_kt": 3}))
        assert rig.step().orders[0].text
        rig.stop()
        assert not len(rig.step().sent)
        assert rig.newest is not None
        count = rig.newest.number + 1
    with pytest.raises(cy.Refused, match="not open"):
        rig.step()
    with cy.read_run(tmp_path / "live.h5") as run:
        assert len(run) == count
        assert run.ended_cleanly
    assert cy.verify(tmp_path / "live.h5")


def test_a_failed_turn_trips_and_its_orders_are_kept() -> None:
    """Before, the turn after an error was lit again, and a stop ordered before the error was lost."""
    with cy.open(cy.load(RING, sets=SMALL)) as rig:
        rig.arm()
        assert len(list(rig.turns(5))[-1].sent)
        machine = rig._machine

        class Broken:
            longest_delay_s = 0.0

            def start(self) -> None:
                return None

            def step(self, memory: Any, seen: Any) -> Any:
                raise cy.Fault("no law without a number")

        rig._machine = replace(machine, policy=Broken())
        rig.stop()
        with pytest.raises(cy.Fault, match="no law"):
            rig.step()
        rig._machine = machine
        after = rig.step()
        assert not len(after.sent)
        assert after.level is Level.TRIPPED
        assert "no law" in after.reason


def test_settings_of_open_devices_are_not_applied() -> None:
    plan = cy.load(RING, sets=SMALL)
    with cy.open(plan) as rig:
        rig.arm()
        other = replace(plan.experiment, set={**plan.experiment.set, "optics.um_per_px": 0.2})
        with pytest.raises(cy.Refused, match="opened anew"):
            rig.apply(
                replace(plan, experiment=other, rig=replace(plan.rig, optics=replace(plan.rig.optics, um_per_px=0.2)))
            )


def test_after_an_error_in_the_block_the_beam_is_dark_and_the_record_whole(tmp_path: Path) -> None:
    lit: list[int] = []
    closed: list[bool] = []

    def fails() -> None:
        with cy.open(cy.load(RING, sets=SMALL), out=tmp_path / "a.h5") as rig:
            rig.arm()
            lit.append(len(list(rig.turns(5))[-1].sent))
            assert rig._open is not None
            beam: Any = rig._open.instrument.beam
            real = beam.close

            def close() -> None:
                closed.append(True)
                real()

            beam.close = close
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fails()
    assert lit[0] > 0
    assert closed == [True]
    assert cy.verify(tmp_path / "a.h5")


def test_after_an_error_in_a_turn_the_beam_is_dark_at_once(tmp_path: Path) -> None:
    plan = cy.load(lay_out(tmp_path, "my_laws:Tired"), allow_python="my_laws")
    with cy.open(plan, out=tmp_path / "a.h5") as rig:
        rig.arm()
        lit = list(rig.turns(99))
        assert len(lit[-1].sent)
        assert rig._open is not None
        beam: Any = rig._open.instrument.beam
        reasons: list[str] = []
        real = beam.dark

        def dark(reason: str) -> Any:
            reasons.append(reason)
            return real(reason)

        beam.dark = dark
        with pytest.raises(cy.Fault, match="tired"):
            rig.step()
        assert len(reasons) == 1
        assert "tired" in reasons[0]
    assert cy.verify(tmp_path / "a.h5")


def test_another_rig_is_not_applied() -> None:
    with cy.open(cy.load(RING, sets=SMALL)) as rig, pytest.raises(cy.Refused, match="another one than the open rig"):
        rig.apply(cy.load(RING, sets={**SMALL, "camera.fps": 77}))


def test_a_real_laser_is_armed_only_with_armed_true(tmp_path: Path) -> None:
    plan = cy.load(RING, rig=cy.RIGS / "serial.yaml")
    with pytest.raises(cy.Refused, match="this laser is real; give armed=True to arm it, or armed=False"):
        cy.run(plan, seconds=1.0, out=tmp_path / "a.h5")
    with pytest.raises(cy.Refused, match="not confirmed"):
        cy.run(plan, seconds=1.0, out=tmp_path / "a.h5", armed=True)
    assert list(tmp_path.iterdir()) == []


def test_a_real_laser_is_not_armed_where_signals_are_not_caught(tmp_path: Path) -> None:
    plan = cy.load(RING, rig=cy.RIGS / "serial.yaml")
    rig = cy.open(plan)
    rig._open = object()  # type: ignore[assignment]
    found: list[BaseException] = []

    def arms() -> None:
        for arm in (lambda: cy.run(plan, seconds=1.0, out=tmp_path / "a.h5", armed=True), rig.arm):
            try:
                arm()
            except cy.Refused as refused:
                found.append(refused)

    def in_another_thread() -> list[str]:
        found.clear()
        thread = threading.Thread(target=arms)
        thread.start()
        thread.join()
        return [str(refused) for refused in found]

    before = {number: signal.getsignal(number) for number in numbers()}
    for number in before:  # a shell or nohup may have them ignored
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
    try:
        for end in (nullcontext(), caught_in_program()):  # a handler of a run in the main thread ends with the run
            with end:
                assert [said.count("SIGTERM would end this program and leave the laser on") for said in
                        in_another_thread()] == [1, 1]  # fmt: skip
        signal.signal(signal.SIGTERM, lambda number, frame: None)
        if hasattr(signal, "SIGHUP"):
            assert ["SIGHUP would end this program" in said for said in in_another_thread()] == [True] * 2
        for number in before:
            signal.signal(number, lambda number, frame: None)
        assert ["not confirmed" in said for said in in_another_thread()] == [True] * 2
    finally:
        for number, action in before.items():
            signal.signal(number, action)
    assert list(tmp_path.iterdir()) == []


def test_a_run_that_trips_raises_a_fault_with_the_path_of_its_record(tmp_path: Path) -> None:
    plan = cy.load(lay_out(tmp_path, "my_laws:Wild"), allow_python=["my_laws"])
    out = tmp_path / "wild.h5"
    with pytest.raises(
        cy.Fault, match=r"the interlock tripped: .*not finite.*the laser is dark; recorded in .*wild\.h5"
    ):
        cy.run(plan, seconds=1.0, out=out)
    assert cy.verify(out)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_run_dark_and_with_a_whole_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    """Before, SIGTERM ended the program with the emission on, and a second Ctrl-C hid the silence of a laser."""
    turns: list[int] = []

    def step(policy: Any, memory: Any, seen: Any) -> Any:
        turns.append(1)
        if len(turns) == 5:
            assert signal.getsignal(number) not in (signal.SIG_DFL, signal.default_int_handler)
            signal.raise_signal(number)
            signal.raise_signal(number)
        return steps(policy, memory, seen)

    before = signal.signal(signal.SIGINT, signal.default_int_handler), signal.getsignal(signal.SIGTERM)
    try:
        plan = cy.load(RING, sets=SMALL)
        steps = SteeredTraps.step
        with monkeypatch.context() as patched:
            patched.setattr("app.running.headless.open_instrument", lambda made: opened_and(made, patched, step))
            with pytest.raises(KeyboardInterrupt if number == signal.SIGINT else SystemExit) as ended:
                cy.run(plan, seconds=60.0, out=tmp_path / "a.h5")
        said = f"stopped by {number.name}; the laser is dark; the record is closed: {tmp_path / 'a.h5'}"
        assert str(ended.value) == said
        assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == (
            signal.default_int_handler, before[1],
        )  # fmt: skip
        with cy.read_run(tmp_path / "a.h5") as run:
            assert run.ended_cleanly
            assert len(run) == 5
        with cy.run(plan, seconds=0.2, out=tmp_path / "b.h5") as run:
            assert run.summary["turns"] == 20
    finally:
        signal.signal(signal.SIGINT, before[0])


def opened_and(made: cy.Plan, patched: pytest.MonkeyPatch, step: Any) -> Any:
    """The open instrument, whose law has this step from now on."""
    instrument = open_instrument(made)
    patched.setattr(SteeredTraps, "step", step)
    return instrument


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_laser_that_may_be_on_is_reported_when_a_signal_ends_a_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    stopped = Stopped(number, f"{STILL_LIT}: hung; switch the laser off by hand")

    def fails(*_: Any, **__: Any) -> Any:
        raise stopped

    monkeypatch.setattr(cy, "fly", fails)
    with pytest.raises(cy.Fault, match=f"stopped by {number.name}; {STILL_LIT}: hung; switch the laser off by hand"):
        cy.run(cy.load(RING, sets=SMALL), seconds=1.0, out=tmp_path / "a.h5")


def test_each_plan_keeps_the_class_of_its_law(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two classes of one cell have the same name and source. Before, the first plan used the values of the second."""
    cell = "class Pull(cy.Law):\n    K = k\n    def force_pn(self, now):\n        return -self.K * now.position_um\n"
    monkeypatch.setitem(linecache.cache, "<cell 1>", (len(cell), None, cell.splitlines(keepends=True), "<cell 1>"))
    plans = []
    for k in (0.01, 0.5):
        scope: dict[str, Any] = {"__name__": "__main__", "cy": cy, "k": k}
        exec(compile(cell, "<cell 1>", "exec"), scope)
        plans.append(cy.load(RING, sets=SMALL, law=scope["Pull"]))
    assert [build_machine(plan).policy.law.K for plan in plans] == [0.01, 0.5]  # type: ignore[attr-defined]
    with cy.open(plans[1]) as rig:
        rig.apply(plans[0])
        turn = list(rig.turns(8))[-1]
        good = np.isin(turn.tracks.particle, turn.wanted.particle)
        np.testing.assert_allclose(turn.wanted.force_pn, -0.01 * turn.tracks.position_um[good], rtol=1e-12)


def test_no_run_is_overwritten(run: cy.Run) -> None:
    with pytest.raises(cy.Refused, match="never written over"):
        cy.run(cy.load(RING, sets=SMALL), seconds=1.0, out=run.path)
    with pytest.raises(cy.Refused, match="never written over"):
        cy.open(cy.load(RING, sets=SMALL), out=run.path)


@pytest.mark.parametrize(
    ("sets", "said"),
    [
        ({"camera.fsp": 5}, "unknown key"),
        ({"camera.fps": "fast"}, "camera.fps"),
        ({"camera.fps": object()}, "sets: found object"),
        ({"camera.fps": np.float64(-3.0)}, "camera.fps"),
        ({"seconds": 1 + 2j}, "sets: found complex"),
        ({"title": DEEP}, "sets: found list"),
        (["camera.fps=50"], "sets: found list, where a mapping is needed"),
        ("camera.fps=50", "sets: found 'camera.fps=50', where a mapping is needed"),
    ],
)
def test_bad_settings_are_refused_in_one_sentence(sets: Any, said: str) -> None:
    with pytest.raises(cy.Refused) as refused:
        cy.load(RING, sets=sets)
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


def test_the_last_of_two_values_for_one_key_of_an_experiment_counts(tmp_path: Path) -> None:
    found = yaml.safe_load(RING.read_text())
    rig = f"{(RING.parent / found['rig']).resolve()}"
    path = tmp_path / "twice.yaml"
    values = {"sample": {"number": 2}, "sample.number": 1}
    path.write_text(yaml.safe_dump({**found, "rig": rig, "set": values}, sort_keys=False))
    assert cy.load(path).rig.sample.number == 1


def test_numpy_values_are_accepted_as_settings() -> None:
    sets = {"camera.fps": np.float64(1e2), "seed": np.int64(7), "sample.number": np.arange(9)[3], "trap.depth_kt": 1e-5}
    plan = cy.load(RING, sets=sets)
    assert (plan.rig.camera.fps, plan.experiment.seed, plan.rig.sample.number) == (100.0, 7, 3)
    assert plan.experiment.trap.depth_kt == 1e-5


def test_progress_is_one_line_without_a_terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plan = cy.load(RING, sets=SMALL)
    cy.run(plan, seconds=0.2, out=tmp_path / "a.h5").close()
    assert capsys.readouterr().err == ""
    with cy.run(plan, seconds=0.2, out=tmp_path / "b.h5", progress=True) as run:
        said = capsys.readouterr().err
        assert said.endswith(f"Ring crystal: {len(run)} of {len(run)} frames\n")
        assert said.count("\n") == 1


def test_tracking_without_a_loop_equals_that_of_the_loop(run: cy.Run) -> None:
    settings: dict[str, Any] = {
        "diameter_px": run.plan.rig.tracking.diameter_px,
        "minmass": run.plan.rig.tracking.minmass,
    }
    linking: dict[str, Any] = {"search_px": run.plan.rig.tracking.search_px, "memory": run.plan.rig.tracking.memory}
    frames = np.array([turn.frame.image for turn in run.turns(0, 12) if turn.frame is not None])
    found = cy.batch(frames, **settings, **linking)
    recorded = run.tracks[run.tracks["turn"] < 12].reset_index(drop=True)
    columns = ["particle", "x", "y", "mass", "size", "ecc", "signal", "raw_mass", "ep"]
    pd.testing.assert_frame_equal(found[columns], recorded[columns])
    first = cy.locate(frames[0], **settings)
    np.testing.assert_array_equal(np.sort(first["x"]), np.sort(found.loc[found["frame"] == 0, "x"]))
    again = cy.link(found.drop(columns="particle"), **linking)
    np.testing.assert_array_equal(again["particle"], found["particle"])


def test_links_equal_those_of_trackpy() -> None:
    chance = np.random.default_rng(3)
    place = chance.uniform(0, 200, (40, 2))
    walk = place + np.cumsum(chance.normal(0, 0.7, (15, 40, 2)), axis=0)
    table = pd.DataFrame({"frame": np.repeat(np.arange(15), 40), "x": walk[..., 0].ravel(), "y": walk[..., 1].ravel()})
    table = table.sample(frac=0.95, random_state=1)
    here = cy.link(table, search_px=4.0, memory=2).sort_values(["frame", "x"])
    there = trackpy.link(table, search_range=4.0, memory=2).sort_values(["frame", "x"])
    pairs = {*zip(here["particle"], there["particle"], strict=True)}
    assert len(pairs) == here["particle"].nunique() == there["particle"].nunique()


class Classless:
    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        raise RuntimeError("no class")

    def __str__(self) -> str:
        raise RuntimeError("no text")


@pytest.mark.parametrize(
    "call",
    [
        lambda: cy.locate(np.zeros((5, 5, 3), np.uint8)),
        lambda: cy.locate(np.zeros((50, 50), np.int32)),
        lambda: cy.locate(np.zeros((0, 50))),
        lambda: cy.locate(np.zeros((50, 50)), diameter_px=4),
        lambda: cy.locate(np.zeros((50, 50)), diametre_px=5),
        lambda: cy.locate(np.zeros((50, 50)), dark_file="dark.tif"),
        lambda: cy.link(pd.DataFrame({"frame": [0], "x": [1.0]}), search_px=3),
        lambda: cy.link(pd.DataFrame({"frame": [0], "x": [1.0], "y": [np.nan]}), search_px=3),
        lambda: cy.read_run("no_such_run.h5"),
        lambda: cy.msd("no_such_run.h5"),
        lambda: cy.load("no_such_experiment.yaml"),
        lambda: cy.load(RING, law=int),  # type: ignore[arg-type]
        lambda: cy.load(RING, allow_python="not a module"),
        lambda: cy.load(RING, law=cy.Law),
        lambda: cy.link(None, search_px=3),  # type: ignore[arg-type]
        lambda: cy.locate(np.zeros((50, 50)), dark_file=np.zeros((50, 50))),
        lambda: cy.locate(np.zeros((50, 50)), diameter_px=object()),  # type: ignore[arg-type]
        lambda: cy.locate(np.full((50, 50), np.nan)),
        lambda: cy.locate(np.full((50, 50), np.inf)),
        lambda: cy.locate(np.ma.masked_equal(np.zeros((50, 50)), 0)),
        lambda: cy.locate([[1.0, 2.0], [3.0]]),  # type: ignore[arg-type]
        lambda: cy.batch([np.zeros((50, 50)), np.full((50, 50), np.nan)]),
        lambda: cy.batch(None),  # type: ignore[arg-type]
        lambda: cy.batch(5),  # type: ignore[arg-type]
        lambda: cy.run("x.yaml"),  # type: ignore[arg-type]
        lambda: cy.open(None),  # type: ignore[arg-type]
        lambda: cy.open(Classless()),  # type: ignore[arg-type]
        lambda: cy.msd(Classless()),  # type: ignore[arg-type]
        lambda: cy.verify(Classless()),  # type: ignore[arg-type]
        lambda: cy.findings(Classless()),  # type: ignore[arg-type]
        lambda: cy.link(Classless(), search_px=3),  # type: ignore[arg-type]
        lambda: cy.load(RING, law=Classless()),  # type: ignore[arg-type]
        lambda: cy.load(RING, law=type("Odd", (cy.Law,), {"__module__": 5})),
        lambda: cy.load(RING, law=type("Odd", (cy.Law,), {"__module__": "no_such_module"})),
        lambda: cy.run(cy.load(RING), seconds=Classless()),  # type: ignore[arg-type]
        lambda: cy.locate(range(10**12)),  # type: ignore[arg-type]
        lambda: cy.locate([range(10**12)]),  # type: ignore[arg-type]
        lambda: cy.locate(Classless()),  # type: ignore[arg-type]
        lambda: cy.locate(np.zeros((50, 50)), minmass=np.ma.masked),  # type: ignore[arg-type]
        lambda: cy.batch(1 / 0 for _ in range(3)),  # type: ignore[misc]
    ],
)
def test_bad_input_is_refused(call: Any) -> None:
    with pytest.raises(cy.Refused):
        call()


NO_PATHS: Any = (None, 5, [], b"x", "", "a\0b", "a\udcffb", object())


@pytest.mark.parametrize("path", NO_PATHS)
@pytest.mark.parametrize("call", [cy.load, cy.read_run, cy.verify, cy.msd, cy.findings])
def test_a_value_that_is_not_a_path_is_refused(call: Any, path: Any) -> None:
    with pytest.raises(cy.Refused, match=r"^(run|experiment): found "):
        call(path)


@pytest.mark.parametrize("modules", [None, 5, [5], [None], b"x", float("nan")])
def test_a_value_that_is_not_a_list_of_modules_is_refused(modules: Any) -> None:
    with pytest.raises(cy.Refused, match=r"^allow_python: found "):
        cy.load(RING, allow_python=modules)
    with pytest.raises(cy.Refused, match=r"^allow_python: found "):
        cy.verify("run.h5", allow_python=modules)


def test_only_true_arms_and_values_that_are_not_boolean_are_refused(tmp_path: Path) -> None:
    """Before, armed="no" armed the laser."""
    plan = cy.load(RING, sets=SMALL)
    others: Any = ("no", 1, 0.0, np.array([1, 2]))
    for name in ("armed", "frames", "progress"):
        for value in others:
            given: dict[str, Any] = {"seconds": 0.1, "out": tmp_path / "a.h5", name: value}
            with pytest.raises(cy.Refused, match=f"^{name}: found "):
                cy.run(plan, **given)
    outs: Any = (5, [], b"x", "a\0b", "a\udcffb", "/")
    for out in outs:
        with pytest.raises(cy.Refused, match=r"^(out: found|/: )"):
            cy.run(plan, seconds=0.1, out=out)
    with pytest.raises(cy.Refused, match=r"^frames: found 'no'"):
        cy.open(plan, frames="no")  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []


def test_an_open_rig_refuses_bad_values_and_continues() -> None:
    with cy.open(cy.load(RING, sets=SMALL)) as rig:
        for remark in (5, None, b"x", "\ud800", "x" * 10_001):
            with pytest.raises(cy.Refused, match=r"^mark: found "):
                rig.mark(remark)  # type: ignore[arg-type]
        for plan in (None, 5, "x.yaml"):
            with pytest.raises(cy.Refused, match=r"^apply: found "):
                rig.apply(plan)  # type: ignore[arg-type]
        for count in ("x", 1.5, True):
            with pytest.raises(cy.Refused, match=r"^count: found "):
                next(rig.turns(count))  # type: ignore[arg-type]
        rig.mark("still here")
        assert [order.text for order in rig.step().orders] == ["still here"]


def test_a_closed_run_and_bad_turn_numbers_and_table_names_are_refused(run: cy.Run) -> None:
    two: Any = np.int64(2)
    with cy.read_run(run.path) as again:
        for turn in ("a", 1.5, float("nan"), True):
            with pytest.raises(cy.Refused, match=r"^start: found "):
                again.turns(turn)  # type: ignore[arg-type]
            with pytest.raises(cy.Refused, match=r"^stop: found "):
                again.turns(0, turn)  # type: ignore[arg-type]
        assert len(list(again.turns(two, two + 3))) == 3
        for name in (["tracks"], None, 5, "x", Classless()):
            with pytest.raises(cy.Refused, match=r"^table: found "):
                again.table(name)  # type: ignore[arg-type]
    for use in (lambda: again.tracks, lambda: again.turns(), lambda: again.table("orders"), lambda: cy.msd(again)):
        with pytest.raises(cy.Refused, match=r"this run is closed; open it again"):
            use()
    assert f"{len(again)} turns" in repr(again)
    assert cy.verify(again)


def test_numpy_values_are_accepted_by_the_tracker() -> None:
    """Before, they raised a TypeError."""
    image = np.zeros((64, 64), np.uint8)
    image[30:35, 30:35] = 200
    plain = cy.locate(image, diameter_px=11, minmass=3.0, invert=False)
    assert len(plain) == 1
    ours = cy.locate(image, diameter_px=np.int64(11), minmass=np.float32(3), invert=np.bool_(False))  # type: ignore[arg-type]
    pd.testing.assert_frame_equal(ours, plain)


def test_an_empty_movie_gives_an_empty_table() -> None:
    assert list(cy.batch([]))[:4] == ["frame", "particle", "x", "y"]
    assert len(cy.batch([np.zeros((64, 64), np.uint8)] * 2)) == 0

"""No kernel is compiled after a run may be armed, for any image of its camera."""

from __future__ import annotations

import errno
import gc
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from multiprocessing import Pipe
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numba.core import event
from numba.core.dispatcher import Dispatcher

from app.assembly import endless
from app.assembly import warm_up as warming
from app.assembly.garbage_collection import frozen
from app.assembly.kernel_calls import loses_errors
from app.assembly.machine import build_machine
from app.assembly.open import open_instrument
from app.assembly.plan import plan
from app.assembly.python_law import allow
from app.assembly.rig import EXPERIMENTS, RIGS, Plan
from app.assembly.warm_up import warm_up
from app.running.process_side import Host, News
from app.running.stop_signals import Stopped
from app.running.thread import NoRecord
from config.reader import write
from config.refused import Refused
from control.contract import Camera, Ended, Frame, Level, Order, OrderKind, State, Turn
from control.loop import run
from control.policies.python_law import PythonPolicy
from drivers.cameras import opencv_capture
from drivers.mailbox import Latest
from drivers.sim.camera import SimulatedCamera, SimulatedCameraDriver
from drivers.sim.clock import LockstepClock
from drivers.sim.sample import Sample
from drivers.sim.stage import Stage
from drivers.sim.world import World
from tests.app.assembly.test_pairing import SIZE_PX, watched
from tests.app.laws import lay_out
from tests.app.unpickling import signal_while_unpickling
from tests.patience import PATIENCE_S

SHIPPED = [*sorted(EXPERIMENTS.glob("*.yaml")), *sorted((EXPERIMENTS / "families").glob("*.yaml"))]
OURS = ("tracking.", "drivers.", "models.", "control.")
COLD = Path(__file__).with_name("fly_cold.py")
ROOT = Path(__file__).parents[3]


def kernels() -> list[Any]:
    """All loaded compiled functions of the program."""
    found: list[Any] = [one for one in gc.get_objects() if issubclass(type(one), Dispatcher)]
    return [one for one in found if one.py_func.__module__.startswith(OURS)]


def signatures() -> set[str]:
    return {f"{one.py_func.__module__}.{one.py_func.__name__}{kind}" for one in kernels() for kind in one.signatures}


def forget() -> None:
    """Restores the state of a new process: each kernel must be read from the cache, or compiled, again."""
    for kernel in kernels():
        kernel._reset_overloads()
    warming._WARM.clear()


class Compilations(event.Listener):
    def __init__(self) -> None:
        self.names: list[str] = []

    def on_start(self, event: Any) -> None:
        self.names.append(event.data["dispatcher"].py_func.__name__)

    def on_end(self, event: Any) -> None: ...


@contextmanager
def compilations() -> Iterator[list[str]]:
    """Names of the functions compiled in the block."""
    listener = Compilations()
    event.register("numba:compile", listener)  # type: ignore[no-untyped-call]
    try:
        yield listener.names
    finally:
        event.unregister("numba:compile", listener)  # type: ignore[no-untyped-call]


MOST = 25
COUNTS = (0, 1, 2, 5, MOST, 1, 5, 0, 2, 0, MOST, 2, 1, MOST)  # number of particles shown, for six frames each


@dataclass
class Provoking:
    """The camera of the plan, with particles that come, go, meet and jump at random; not the particles of the
    warm-up."""

    made: SimulatedCamera
    um_per_px: float
    turns: int
    draw: np.random.Generator = field(default_factory=lambda: np.random.default_rng(7))
    number: int = 0

    def __post_init__(self) -> None:
        extent_um = (self.made.width_px * self.um_per_px, self.made.height_px * self.um_per_px)
        stage = Stage(self.made.middle_um(self.um_per_px), extent_um)
        world = World(Sample(number=MOST, arrangement="grid", spacing_um=0.1, wca_kt=0.0), stage)
        self.eye = SimulatedCameraDriver(self.made, self.um_per_px, world, LockstepClock(world, 0.0), seed=1)
        self.place_um = self.draw.uniform(0.1, 0.9, (MOST, 2)) * extent_um

    def read(self) -> Frame:
        if self.number >= self.turns:
            raise Ended
        self.place_um += self.draw.normal(0.0, 0.1, self.place_um.shape)
        look = self.number % 6
        if look == 0:
            self.who = self.draw.permutation(MOST)[: COUNTS[self.number // 6 % len(COUNTS)]]
        if look == 3 and len(self.who) > 1:
            self.place_um[self.who[1]] = self.place_um[self.who[0]] + [1.5, 0.0]  # two particles meet
        shown = self.who[1:] if look == 4 else self.who  # one particle is missing in the next image
        shown_um = np.full((MOST, 2), -1e3)
        shown_um[shown] = self.place_um[shown]
        image = self.eye.render(self.number, np.repeat(shown_um[None], self.made.sub_exposures, axis=0))
        self.number += 1
        return Frame(self.number, self.number / self.made.fps, image)

    def close(self) -> None: ...


@dataclass
class Apt:
    """A clock that is never late: the test finds compilations by the kernels, not by their duration."""

    camera: Provoking

    def now_s(self) -> float:
        return self.camera.number / self.camera.made.fps + 0.002


def provoked(made: Plan, turns: int = 6 * len(COUNTS)) -> list[Turn]:
    """The turns of the opened and armed plan, with a camera that shows all special cases."""
    instrument = open_instrument(made)
    before = signatures()
    camera: Camera = instrument.camera
    clock: Any = instrument.clock
    if isinstance(made.rig.camera, SimulatedCamera):
        camera = Provoking(made.rig.camera, made.rig.optics.um_per_px, turns)
        clock = Apt(camera)
    seen: list[Turn] = []

    def watch(turn: Turn) -> None:
        seen.append(turn)
        if len(seen) >= turns:
            camera.close()

    arm = iter([(Order(OrderKind.ARM),)])
    try:
        with compilations() as compiled:
            run(instrument.machine, camera, instrument.beam, clock, NoRecord(), lambda: next(arm, ()), watch)
            if isinstance(camera, Provoking):  # the world and its own images, in the light of those turns
                [instrument.camera.read() for _ in range(20)]
    finally:
        instrument.close()
    late = sorted(signatures() - before)
    assert not late, f"{len(late)} kernels met arguments that the warm-up had not: {late}"
    assert compiled == []
    return seen


@pytest.mark.parametrize("experiment", SHIPPED, ids=lambda path: path.stem)
def test_warm_up_compiles_all_kernels_of_a_shipped_experiment(experiment: Path) -> None:
    made = plan(experiment)
    forget()
    turns = provoked(made)
    if made.rig.camera.kind == "simulated":
        counts = {len(turn.tracks) for turn in turns}
        assert {0, 1} < counts
        assert max(counts) > 5
        assert any(len(turn.tracks.lost) for turn in turns)
        assert any((turn.tracks.state == State.NEW).any() for turn in turns)
        assert any("seen as one" in note for turn in turns for note in turn.notes)


def film_of_everything(path: Path, frames: int) -> None:
    """Writes the images of a `Provoking` camera as a lossless film."""
    made = SimulatedCamera(width_px=SIZE_PX, height_px=SIZE_PX, spot_um=0.25)
    provoking = Provoking(made, 0.1, frames)
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"FFV1"), 30.0, (SIZE_PX, SIZE_PX))
    for _ in range(frames):
        writer.write(np.repeat(provoking.read().image[:, :, None], 3, axis=2))
    writer.release()


class Unhurried(Latest[Frame]):
    """A mailbox that waits until the loop has taken the previous frame: no frame is lost on a busy computer."""

    def put(self, value: Frame) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: self._value is None or self._closed, PATIENCE_S)
        super().put(value)

    def take(self, timeout_s: float) -> Frame | None:
        value = super().take(timeout_s)
        with self._changed:
            self._changed.notify_all()
        return value


@pytest.mark.parametrize("channel", ["grey", "red"])
def test_warm_up_compiles_all_kernels_for_a_real_camera(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, channel: str
) -> None:
    """The class of real cameras, with a film of which the loop gets every frame; the light is simulated."""
    monkeypatch.setattr(opencv_capture, "Latest", Unhurried)
    turns = 6 * len(COUNTS)
    fast = {"camera.fps": 100.0, "camera.exposure_s": 0.001, "loop.stale_periods": 100.0 * PATIENCE_S}
    made = watched(tmp_path, 1, **{"camera.channel": channel, **fast})
    film_of_everything(tmp_path / "film.avi", turns)
    forget()
    seen = provoked(made, turns)
    assert any(len(turn.sent) for turn in seen)
    counts = {len(turn.tracks) for turn in seen}
    assert {0, 1} < counts
    assert max(counts) > 5
    assert any(len(turn.tracks.lost) for turn in seen)
    assert any((turn.tracks.state == State.NEW).any() for turn in seen)


@pytest.mark.parametrize("experiment", SHIPPED, ids=lambda path: path.stem)
def test_rehearsal_reaches_every_path(experiment: Path) -> None:
    made = plan(experiment)
    turns = warm_up(made, build_machine(made))
    assert any(len(turn.allowed) for turn in turns), {turn.reason for turn in turns}
    if made.rig.camera.kind == "plant":
        return  # the plant gives all positions: no particle is searched for
    assert {0, 1, 2, 12} <= {len(turn.tracks) for turn in turns}
    assert any(turn.frame is None for turn in turns)
    assert any(len(turn.tracks.lost) for turn in turns)
    assert any((turn.tracks.state == State.NEW).any() for turn in turns)
    assert any((turn.tracks.state == State.UNCERTAIN).any() for turn in turns)
    if 2.0 * made.rig.tracking.search_px > made.rig.tracking.least_distance_px + 1.5:  # otherwise both are lost
        assert any("seen as one" in note for turn in turns for note in turn.notes)


LOCATORS = ("auto", "windows", "radial", "gaussian", "trackpy")
OTHERS = {
    **{name: (f"tracking.locator={name}",) for name in LOCATORS},
    "12 bits": ("camera.bits=12",),
    "12 bits, dark": ("camera.bits=12", "tracking.locator=auto", "tracking.invert=true"),
    "brightfield": ("camera.image=brightfield", "tracking.locator=auto", "tracking.predict=drift"),
    "flow": ("sample.drift_um_per_s=[40, 0]", "tracking.predict=nearest_velocity", "tracking.gate=constant"),
    "raw": ("tracking.preprocess=false", "tracking.minmass=2000"),
    "crowds": ("tracking.crowd_share=0.5", "tracking.gate=constant", "tracking.memory=0", "tracking.doubt=0"),
    "small": ("camera.width_px=48", "camera.height_px=40", "tracking.locator=windows"),
    "leak": ("camera.laser_leak_counts_per_mw=0.1", "camera.blink=0.1", "camera.uneven=0.2", "camera.drop=0.1"),
    "bent": ("camera.true_tilt_deg=5", "sample.species=[{look: shell}, {look: halo}]"),
}  # fmt: skip


@pytest.mark.parametrize("sets", OTHERS.values(), ids=OTHERS)
def test_warm_up_compiles_all_kernels_for_other_settings(sets: tuple[str, ...]) -> None:
    made = plan(EXPERIMENTS / "ring_crystal.yaml", None, sets)
    forget()
    provoked(made)


class Where(event.Listener):
    """Records the threads in which kernels are compiled."""

    def __init__(self) -> None:
        self.threads: list[str] = []

    def on_start(self, event: Any) -> None:
        self.threads.append(threading.current_thread().name)

    def on_end(self, event: Any) -> None: ...


def test_kernels_of_an_apply_are_compiled_before_it_takes_effect() -> None:
    made = plan(EXPERIMENTS / "ring_crystal.yaml", None, ("rate=real time", "camera.fps=20", "loop.stale_periods=500"))
    other = replace(made.experiment, set={**made.experiment.set, "tracking.locator": "radial"})
    placing = [one for one in kernels() if one.py_func.__module__ == "tracking.locate.radial"]
    hears, orders = Pipe(duplex=False)
    news, tells = Pipe(duplex=False)
    host = Host(open_instrument(made), made, hears, tells)
    for kernel in placing:  # as if never compiled, and not in the cache
        kernel._reset_overloads()
        kernel._cache.disable()
    where, turns = Where(), list[Turn]()
    event.register("numba:compile", where)  # type: ignore[no-untyped-call]
    thread = threading.Thread(target=host.serve, name="host")
    thread.start()

    def until(true: Callable[[], bool]) -> None:
        while not true():
            assert news.poll(PATIENCE_S)
            said = news.recv()
            assert isinstance(said, News), said
            turns.extend(said.turns)

    try:
        orders.send(Order(OrderKind.ARM))
        until(lambda: bool(turns) and len(turns[-1].sent) > 0)
        orders.send(Order(OrderKind.APPLY, write(other)))
        until(lambda: any(order.kind is OrderKind.APPLY for turn in turns for order in turn.orders))
        count = len(turns)
        until(lambda: len(turns) > count + 20)
    finally:
        orders.send(None)
        thread.join(PATIENCE_S)
        event.unregister("numba:compile", where)  # type: ignore[no-untyped-call]
        for kernel in placing:
            kernel._cache.enable()
    assert not thread.is_alive()
    assert len(where.threads) >= len(placing) > 0
    assert "loop" not in where.threads
    lit = next(turn.number for turn in turns if turn.level is Level.ARMED)
    assert {turn.level for turn in turns if turn.number >= lit} == {Level.ARMED}  # the old law was active meanwhile


def test_an_unwritable_cache_gives_one_note(monkeypatch: pytest.MonkeyPatch) -> None:
    made = plan(EXPERIMENTS / "annular_activity.yaml")
    machine = build_machine(made)
    running = next(one for one in kernels() if one.py_func.__name__ == "_running")
    running._reset_overloads()

    def full(kind: Any, compiled: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(running._cache, "load_overload", lambda kind, target: None)
    monkeypatch.setattr(running._cache, "save_overload", full)
    said: list[str] = []
    try:
        with pytest.raises(OSError, match="No space left"):
            warming.rehearsed(machine, made)
        running._reset_overloads()
        assert warm_up(made, machine, said.append)
    finally:
        for kernel in kernels():
            kernel._cache.enable()
    assert sum("can't be written to (No space left on device)" in one for one in said) == 1
    assert running.signatures


def test_forgo_cache_includes_frozen_kernels() -> None:
    """The kernels of the loop process are frozen when other settings are applied in flight."""
    running = next(one for one in kernels() if one.py_func.__name__ == "_running")
    try:
        with frozen():
            warming.disable_cache()
        assert not running._cache._enabled
    finally:
        for kernel in kernels():
            kernel._cache.enable()


class Halt(BaseException):
    """Raised by a signal handler."""


@pytest.mark.parametrize("at", ["set", "set back"])
def test_a_signal_while_handlers_are_set_leaves_the_old_handlers(at: str, monkeypatch: pytest.MonkeyPatch) -> None:
    real = signal.signal

    def halt(number: int, frame: Any) -> None:
        raise Halt(number)

    def sets(number: int, action: Any) -> Any:
        found = real(number, action)
        if number == signal.SIGINT and (action is halt) == (at == "set back"):
            signal.raise_signal(signal.SIGINT)
        return found

    before = {number: real(number, halt) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        with monkeypatch.context() as patched:
            patched.setattr(signal, "signal", sets)
            with pytest.raises(Halt), warming.signals_held():
                assert at == "set back"
        assert [signal.getsignal(number) for number in before] == [halt, halt]
    finally:
        for number, action in before.items():
            real(number, action)


def test_a_signal_ends_a_compilation_between_two_kernels() -> None:
    made = plan(EXPERIMENTS / "annular_activity.yaml")
    machine = build_machine(made)
    warm_up(made, machine)
    anew = [one for one in kernels() if one.py_func.__module__ == "tracking.locate.distinct"]
    for kernel in anew:
        kernel._reset_overloads()
        kernel._cache.disable()

    def halt(number: int, frame: Any) -> None:
        raise Halt(number)

    before = signal.signal(signal.SIGTERM, halt)
    said: list[str] = []

    def say(sentence: str) -> None:
        said.append(sentence)
        signal.raise_signal(signal.SIGTERM)

    try:
        with compilations() as compiled:
            with pytest.raises(Halt):
                warm_up(made, machine, say)
            assert signal.getsignal(signal.SIGTERM) is halt
            assert len(compiled) == 1  # of three
            assert said[0].startswith("compiling kernels for this experiment, once")
            assert warm_up(made, machine, said.append)  # numba still works
    finally:
        signal.signal(signal.SIGTERM, before)
        for kernel in anew:
            kernel._cache.enable()


def test_a_signal_during_unpickling_is_handled_afterwards(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Regression: its error became a SystemError."""
    made = plan(EXPERIMENTS / "annular_activity.yaml")
    machine = build_machine(made)
    warm_up(made, machine)
    where: list[bool] = []

    def halt(number: int, frame: Any) -> None:
        where.append(loses_errors(sys._getframe()))
        raise Halt(number)

    before = signal.signal(signal.SIGTERM, halt)
    try:
        with signal_while_unpickling(), pytest.raises(Halt):
            warm_up(made, machine)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert where == [False]


LAW = """
import signal

import cybloids as cy


class Own(cy.Law):
    reached = False

    def force_pn(self, now):
        {}
        Own.reached = True
"""


def of_a_law(folder: Path, line: str) -> tuple[Plan, Any, PythonPolicy]:
    """A plan whose law contains this line, its machine, and its policy."""
    allow(["my_laws"])
    made = plan(lay_out(folder, "my_laws:Own", LAW.format(line)))
    machine = build_machine(made)
    assert isinstance(machine.policy, PythonPolicy)
    return made, machine, machine.policy


def test_a_law_that_does_not_end_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endless, "LONGEST_S", 0.5)
    made, machine, _ = of_a_law(tmp_path, "while True: pass")
    with pytest.raises(Refused, match=r"^the law 'my_laws:Own' does not end: .*my_laws\.py, line \d+$"):
        warm_up(made, machine)


def test_a_signal_ends_a_law_at_once(tmp_path: Path) -> None:
    """Regression: the signal was handled only after the compilation of a kernel, and a law with an endless loop never
    ended."""
    made, machine, policy = of_a_law(tmp_path, "signal.raise_signal(signal.SIGTERM)")

    def halt(number: int, frame: Any) -> None:
        raise Stopped(number)

    before = signal.signal(signal.SIGTERM, halt)
    try:
        with pytest.raises(Stopped):
            warm_up(made, machine)
        assert signal.getsignal(signal.SIGTERM) is halt
    finally:
        signal.signal(signal.SIGTERM, before)
    assert not policy.law.reached  # type: ignore[attr-defined]


def flown(folder: Path, experiment: Path, rig: str, seconds: float, *sets: str, **env: str) -> dict[str, Any]:
    """The kernels that a separate process compiled before and after ARM, and the duration of its turns."""
    command = [sys.executable, str(COLD), str(experiment), rig, str(seconds), str(folder / "run.h5"), *sets]
    env = {**os.environ, **env, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=580, check=False)
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    answer["said"] = done.stderr
    return answer


def cold(folder: Path, experiment: Path, rig: str, seconds: float, *sets: str) -> dict[str, Any]:
    """`flown` with an empty numba cache."""
    return flown(folder, experiment, rig, seconds, *sets, NUMBA_CACHE_DIR=str(folder / "cache"))


@pytest.mark.slow
def test_emulated_rig_with_an_empty_cache_compiles_nothing_after_arm(tmp_path: Path) -> None:
    answer = cold(tmp_path, EXPERIMENTS / "ring_crystal.yaml", str(RIGS / "serial_simulated.yaml"), 3.0)
    assert answer["before"] > 50
    assert "compiling kernels for this experiment, once" in answer["said"]
    assert answer["after"] == []


RIGS_FLOWN = ["-", str(RIGS / "serial_simulated.yaml")]


def own_camera(experiment: Path, rig: str) -> str:
    """The kind of the experiment's own camera; skips a rig that cannot show the experiment."""
    kind: str = plan(experiment).rig.camera.kind
    if kind == "plant" and rig != "-":
        pytest.skip("an experiment with cells that never meet: only its own rig, without optics, can show it")
    if rig != "-":
        try:
            plan(experiment, Path(rig))
        except Refused as refused:
            pytest.skip(f"an experiment that sets what this rig does not have: {refused}")
    return kind


@pytest.mark.slow
@pytest.mark.parametrize("rig", RIGS_FLOWN, ids=["simulated", "emulated"])
@pytest.mark.parametrize("experiment", SHIPPED, ids=lambda path: path.stem)
def test_empty_cache_compiles_nothing_after_arm(experiment: Path, rig: str, tmp_path: Path) -> None:
    own = own_camera(experiment, rig)
    answer = cold(tmp_path, experiment, rig, 5.0, *(("rate=real time",) if own != "plant" else ()))
    assert answer["after"] == []
    if own != "plant":  # the few kernels of the plant are compiled within seconds
        assert "compiling kernels for this experiment, once" in answer["said"]


@pytest.mark.slow
@pytest.mark.real_time
@pytest.mark.parametrize("rig", RIGS_FLOWN, ids=["simulated", "emulated"])
@pytest.mark.parametrize("experiment", SHIPPED, ids=lambda path: path.stem)
def test_no_turn_is_longer_than_five_periods(experiment: Path, rig: str, tmp_path: Path) -> None:
    """The run reads its kernels from the cache. This changes nothing if no kernel is compiled in flight.

    A late frame does not end the run, so that the longest turn in 5 s is found.
    """
    if own_camera(experiment, rig) == "plant":
        pytest.skip("in lockstep, every turn takes as long as it takes")
    answer = flown(tmp_path, experiment, rig, 5.0, "rate=real time", "loop.stale_periods=500")
    assert answer["after"] == []
    assert answer["turns"] > 0.5 * 5.0 / answer["period_s"]
    assert answer["longest_gap_s"] <= 5.0 * answer["period_s"]

"""Compiles all kernels of a run before its devices are opened, by a rehearsal with synthetic frames.

numba compiles a kernel, or reads it from its cache, at the first call with each combination of argument types; the
first call of a network is slow too. A beam must not wait for either. The rehearsal therefore runs turns with the
machine of the run, on images of the size and type of its camera.
"""

from __future__ import annotations

import math
import signal
import sys
import threading
import time
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numba.core import event
from numba.core.compiler_lock import global_compiler_lock
from numba.core.dispatcher import Dispatcher
from numpy.typing import NDArray

from app.assembly.endless import COMPILER_LOCK, ended_if_endless
from app.assembly.garbage_collection import every_object
from app.assembly.kernel_calls import loses_errors
from app.assembly.rig import Plan
from app.assembly.signal_actions import set_back
from app.console.terminal import say
from config.kinds import used_plug_ins
from config.words import quoted
from control.contract import Expected, Frame, Order, OrderKind, Turn
from control.loop import LoopMemory, Machine, turn
from control.policies.learned_law import Learned
from control.policies.python_law import PythonLaw
from tracking.correct import NOTHING
from tracking.locate.page import Locator
from tracking.settings import Tracking
from tracking.table import TableTracker
from tracking.tracker import LinkingTracker

Floats = NDArray[np.float64]

MANY = 12  # particles in an image that is large enough
BACKGROUND, PEAK = 0.1, 0.6  # brightness of the drawn images, relative to the largest pixel value
COMPILING = "numba:compile"
SLOW_S = 1.0  # a longer warm-up with compilation reports its duration at its end


def warm_up(plan: Plan, machine: Machine, say: Callable[[str], None] | None = None) -> list[Turn]:
    """Rehearse the turns that can occur in a run of `plan`, so that the run compiles nothing.

    The turns are pure: they use no device and do not change `machine`. Their images show no particle, one, two and
    many; particles that are new, lost, merged with another, and expected at places to which light has moved them.

    Args:
        say: called with one sentence when the compilation starts, and one when it ends; None: standard error.

    Returns:
        The rehearsed turns.

    Raises Refused if a law or a plug-in does not return.
    """
    say = say or note
    with report_compilation(say) as handle_signals, ended_if_endless(others(plan)) as check_end:

        def after_turn() -> None:
            check_end()
            handle_signals()

        try:
            return rehearsed(machine, plan, after_turn)
        except OSError as error:  # from numba's cache: a turn uses no device and reads no file
            say(f"numba's cache can't be written to ({error.strerror}): kernels are compiled anew in each run")
            disable_cache()
            return rehearsed(machine, plan, after_turn)


def others(plan: Plan) -> str:
    """Laws and plug-ins that a turn of this plan runs, in words; empty: only code of Cybloids."""
    law = plan.experiment.policy
    laws = [f"the law '{quoted(law.law)}'"] if isinstance(law, PythonLaw) else []
    return " or ".join([*laws, *(plug_in.words for plug_in in used_plug_ins(plan.rig, plan.experiment))])


_WARM: set[Hashable] = set()  # combinations that this process has warmed up


def warm_up_once(plan: Plan, machine: Machine) -> None:
    """`warm_up`; in lockstep, where the particles wait too, only for the first plan of its kind in this process."""
    law = plan.experiment.policy
    kernels = (plan.rig.tracking, Canvas.of(plan), law if isinstance(law, Learned) else None)
    if plan.rig.rate == "real time" or kernels not in _WARM:
        warm_up(plan, machine)
        _WARM.add(kernels)


listeners: list[Callable[[str], None]] = []  # each is called with every note; a window shows them


def note(sentence: str) -> None:
    say(f"note: {sentence}", error=True)
    sys.stderr.flush()
    for listener in listeners:
        listener(sentence)


class Compilations(event.Listener):
    """Calls `say` once, when the first kernel is compiled. Reading numba's cache does not count."""

    def __init__(self, title: str, say: Callable[[str], None], between: Callable[[], None]) -> None:
        self.title, self.say, self.between, self.count = title, say, between, 0

    def on_start(self, event: Any) -> None:
        if event.kind == COMPILING:
            self.count += 1
            if self.count == 1:
                self.say(self.title)
            self._call_between()

    def on_end(self, event: Any) -> None:
        if event.kind == COMPILING or not global_compiler_lock.is_locked():  # type: ignore[no-untyped-call]
            self._call_between()

    def _call_between(self) -> None:
        if not loses_errors(sys._getframe()):
            self.between()


@contextmanager
def signals_held() -> Iterator[Callable[[], None]]:
    """Defer signals with a handler while numba compiles or reads a kernel, until the yielded function is called.

    If a handler raises during a callback from LLVM or a kernel, its exception is lost or replaced by numba. At all
    other times a signal is handled at once, since a law may not return.
    """
    deferred: list[tuple[int, Any]] = []
    handlers: dict[int, Any] = {}
    restoring = False

    def handle(number: int, frame: Any) -> None:
        locked = global_compiler_lock.is_locked()  # type: ignore[no-untyped-call]  # by this thread
        if restoring or locked or loses_errors(frame):
            deferred.append((number, None))  # its frame no longer exists when it is handled
        else:
            handlers[number](number, frame)

    handle.replaced = handlers  # type: ignore[attr-defined]  # for app.running.stop_signals

    def handle_deferred() -> None:
        if deferred and threading.current_thread() is threading.main_thread():
            number, frame = deferred.pop(0)
            handlers[number](number, frame)

    try:
        if threading.current_thread() is threading.main_thread():
            for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK"):
                number = getattr(signal, name, None)
                if number is not None and callable(action := signal.getsignal(number)):
                    handlers[number] = action
            for number in handlers:
                signal.signal(number, handle)
        yield handle_deferred
    finally:
        restoring = True  # from here on signals are deferred, so that none interrupts the restoring of the handlers
        try:
            set_back(handlers)
        finally:
            handle_deferred()


@contextmanager
def report_compilation(say: Callable[[str], None]) -> Iterator[Callable[[], None]]:
    """Report the start of the compilation of kernels, and afterwards its duration.

    Signals are handled between two kernels, and at once while none is compiled. Yields a function that handles deferred
    signals.
    """
    began_s = time.monotonic()
    with signals_held() as handle_signals:
        listener = Compilations(
            "compiling kernels for this experiment, once: it may take a minute", say, handle_signals
        )
        with event.install_listener(COMPILING, listener), event.install_listener(COMPILER_LOCK, listener):
            yield handle_signals
    took_s = time.monotonic() - began_s
    if listener.count and took_s > SLOW_S:
        say(f"compiled {listener.count} kernels in {took_s:.1f} s")


def disable_cache() -> None:
    """Disable numba's cache on disk: this process keeps compiled kernels in memory only."""
    for dispatcher in every_object():
        if issubclass(type(dispatcher), Dispatcher):
            dispatcher._cache.disable()


def easier(machine: Machine) -> list[Machine]:
    """Copies of the machine whose trackers find the drawn particles even if its own settings would reject them.

    No type of a number changes. There is one copy for each locator that `auto` may choose.
    """
    tracker = machine.tracker
    if not isinstance(tracker, LinkingTracker):
        return [machine]
    own_settings = tracker.settings
    settings = replace(
        own_settings,
        minmass=min(own_settings.minmass, 1e-3),
        maxsize_px=None if own_settings.maxsize_px is None else max(own_settings.maxsize_px, 1e9),
        threshold=None
        if own_settings.threshold is None
        else min(own_settings.threshold, type(own_settings.threshold)(1)),
        percentile=min(own_settings.percentile, type(own_settings.percentile)(64)),
        excluded_regions=(),
    )
    locators: tuple[Locator, ...] = (
        ("auto", "radial", "gaussian") if own_settings.locator == "auto" else (own_settings.locator,)
    )
    return [
        replace(machine, tracker=replace(tracker, settings=replace(settings, locator=locator), correct=NOTHING))
        for locator in locators
    ]


def rehearsed(machine: Machine, plan: Plan, after_turn: Callable[[], None] = lambda: None) -> list[Turn]:
    """The turns of all scenes, with every locator that the machine may choose.

    Args:
        after_turn: called after each turn.
    """
    return [new_turn for easier_machine in easier(machine) for new_turn in acted(easier_machine, plan, after_turn)]


def acted(machine: Machine, plan: Plan, after_turn: Callable[[], None]) -> list[Turn]:
    """The turns of all scenes, each begun with an empty memory."""
    tracker = machine.tracker
    if isinstance(tracker, TableTracker):
        return played(machine, plan, tables(plan), after_turn)[1]
    if not isinstance(tracker, LinkingTracker):  # a tracker that replays recorded tracks computes nothing
        return []
    canvas = Canvas.of(plan)
    turns = []
    for scene in scenes(tracker.settings, canvas):
        images = [None if place_px is None else canvas.image(place_px, tracker.settings) for place_px in scene]
        memory, new_turns = played(machine, plan, images, after_turn)
        turns += new_turns
        expect_all(tracker, memory, new_turns[-1])
    return turns


def played(
    machine: Machine, plan: Plan, images: list[NDArray[Any] | None], after_turn: Callable[[], None]
) -> tuple[LoopMemory, list[Turn]]:
    """The memory and the turns of an armed machine with these images; None: no frame.

    After a third of them, the time jumps by the longest delay of the law.
    """
    camera = plan.rig.camera
    age_s = min(camera.image_age_s, machine.stale_s / 2.0)
    memory, turns = machine.start(), []
    orders: tuple[Order, ...] = (Order(plan.arming),)
    for number, image in enumerate(images):
        time_s = number * machine.hold_s + (machine.policy.longest_delay_s if 3 * number >= len(images) else 0.0)
        frame = None if image is None else Frame(number, time_s, image)
        memory, new_turn = turn(machine, memory, frame, time_s + age_s, orders)
        orders = (Order(OrderKind.RESET), Order(plan.arming)) if image is None else ()
        turns.append(new_turn)
        after_turn()
    return memory, turns


def expect_all(tracker: LinkingTracker, memory: LoopMemory, last: Turn) -> None:
    """One more step of the tracker, with an expected position for every particle, even if the law sent no light.

    The interlock may have withheld the light: the tracker would then have received no expected positions.
    """
    if last.frame is None:
        return
    frame = replace(last.frame, number=last.frame.number + 1, time_s=last.frame.time_s + 1e-3)
    tracker.step(memory.tracker, frame, Expected(last.tracks.particle, last.tracks.position_um))


@dataclass(frozen=True)
class Canvas:
    """Size, type and brightness of the images of a camera."""

    height_px: int
    width_px: int
    pixel_type: str
    top: int  # largest pixel value

    @classmethod
    def of(cls, plan: Plan) -> Canvas:
        camera = plan.rig.camera
        return cls(camera.height_px, camera.width_px, pixel_type(plan), 2**camera.bits - 1)

    def image(self, place_px: Floats, settings: Tracking) -> NDArray[Any]:
        """An image [height, width] with round spots at x, y [N, 2]; read-only, like that of every camera."""
        light = np.full((self.height_px, self.width_px), BACKGROUND)
        reach, width_px = settings.diameter_px, settings.diameter_px / 5.0
        for x, y in place_px:
            rows = slice(max(int(y) - reach, 0), int(y) + reach + 1)
            columns = slice(max(int(x) - reach, 0), int(x) + reach + 1)
            row = np.arange(self.height_px)[rows, None] - y
            column = np.arange(self.width_px)[None, columns] - x
            light[rows, columns] += PEAK * np.exp(-(row**2 + column**2) / (2.0 * width_px**2))
        light = np.minimum(light, 1.0)
        image: NDArray[Any] = np.rint(self.top * (1.0 - light if settings.invert else light)).astype(self.pixel_type)
        image.flags.writeable = False
        return image


def pixel_type(plan: Plan) -> str:
    """The pixel type of the camera of a plan: "uint8" or "uint16"."""
    return "uint16" if plan.rig.camera.bits > 8 else "uint8"


def scenes(settings: Tracking, canvas: Canvas) -> list[list[Floats | None]]:
    """Particle positions x, y [N, 2] px in each image of each scene; None: no image.

    The size of the image limits their number: a small image has at most one particle.
    """
    sites = sites_px(settings, canvas)
    none = sites[:0]
    moved = [sites + 0.3 * step for step in range(settings.confirm + 4)]
    pair = sites[:1] + np.array([[0.0, 0.0], [settings.least_distance_px + 1.5, 0.0]])
    other_sites = sites[2:] if len(sites) > 2 else none
    several: list[Floats | None] = [
        none, none, *moved, sites[:-1], sites[:-1], sites, sites[1:], None, sites, none, sites[:1], sites,
    ]  # fmt: skip
    merging = [np.concatenate([pair, other_sites])] * (settings.confirm + 3)
    merged = [np.concatenate([pair.mean(axis=0, keepdims=True), other_sites])] * 2
    small_groups = [sites[:count] for count in (1, 1, 2, 1, 0, 2, 2, MANY)]
    if len(sites) < 2:
        return [several, list(small_groups)]
    return [several, [*merging, *merged, *merging[:2]], list(small_groups)]


def sites_px(settings: Tracking, canvas: Canvas) -> Floats:
    """Up to MANY positions x, y [N, 2] px, far enough from each other and from the edges to be found separately."""
    margin = settings.margin_px + 3
    distance_px = math.ceil(2.0 * max(settings.least_distance_px, settings.diameter_px)) + 3
    x = np.arange(margin, canvas.width_px - margin, distance_px)
    y = np.arange(margin, canvas.height_px - margin, distance_px)
    rows = max(math.ceil(MANY / max(len(x), 1)), 3)
    columns = max(MANY // rows, 1)
    sites = [(column, row) for row in y[:rows] for column in x[:columns]][:MANY]
    middle = ((canvas.width_px - 1) / 2.0, (canvas.height_px - 1) / 2.0)  # for an image that is too small
    return np.array(sites or [middle]) + 0.25


def tables(plan: Plan) -> list[NDArray[Any] | None]:
    """Images of a PlantCamera: tables of x_um, y_um, cell and species."""
    number = plan.rig.sample.number * plan.rig.sample.cells
    x_um, y_um = plan.rig.middle_um
    table = np.zeros((number, 4))
    table[:, 0] = x_um + plan.rig.sample.spacing_um * (np.arange(number) % 8)
    table[:, 1] = y_um + plan.rig.sample.spacing_um * (np.arange(number) // 8)
    table[:, 2] = np.arange(number) // max(plan.rig.sample.number, 1)
    images: list[NDArray[Any] | None] = []
    for step in range(6):
        image = table.copy()
        image[:, :2] += 0.01 * step
        image.flags.writeable = False
        images.append(image)
    return images

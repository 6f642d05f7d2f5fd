"""A law in Python behind the Policy plug: the same forces as a programmed one, and a Fault for any error in it."""

from __future__ import annotations

import asyncio
import math
import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from control.contract import Fault, Forces, Seen, State, Tracks
from control.foreign import faults_of
from control.history import History, Sighting
from control.plant import Plant
from control.policies.external import External
from control.policies.force_context import Now
from control.policies.programmed import SteeredTraps
from control.policies.python_law import Law, PythonPolicy
from control.potentials.harmonic import Harmonic

Floats = NDArray[np.float64]
MIDDLE_UM = (10.0, 12.0)
STIFFNESS = 0.3
PLACE_UM = np.array([[9.0, 11.0], [12.5, 12.0], [10.0, 15.0]])


class Spring(Law):
    def force_pn(self, now: Now) -> Floats:
        pulled_pn: Floats = -STIFFNESS * (now.position_um - np.asarray(MIDDLE_UM))
        return pulled_pn


class Late(Law):
    delays_s = (0.1, 0.3)

    def force_pn(self, now: Now) -> Floats:
        gone_um: Floats = now.past_um(0.3) - now.past_um(0.1)
        return gone_um


class Any_(Law):
    """A law that returns a chosen answer."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer

    def force_pn(self, now: Now) -> Floats:
        if isinstance(self.answer, BaseException):
            raise self.answer
        found: Floats = self.answer
        return found


def seen(*, state: tuple[int, ...] = (0, 0, 0), begun: int = 0) -> Seen:
    """Three particles that move to the right by 0.01 um a turn; the last one is detected only from turn `begun` on."""
    history = History(1.0)
    for number in range(51):
        here = np.arange(3) if number >= begun else np.arange(2)
        place_um = PLACE_UM[here] + [0.01 * (number - 50), 0.0]
        history = history.push(Sighting(number * 0.02, here, place_um))
    three = np.arange(3)
    tracks = Tracks(1.0, three, PLACE_UM, np.array(state, np.uint8), np.zeros(3, np.int64), np.zeros(3, np.int64))
    return Seen(tracks, history, 1.01, 0.02)


def policy(law: Law) -> PythonPolicy:
    return PythonPolicy(law, "my_laws:Law", Plant(), MIDDLE_UM, law.delays_s)


def wanted(law: Law, at: Seen) -> Forces:
    made = policy(law)
    return made.step(made.start(), at)[1]


@pytest.mark.parametrize("state", [(0, 0, 0), (0, int(State.NEW), 0), (int(State.UNCERTAIN),) * 3])
def test_a_python_spring_gives_the_forces_of_the_programmed_spring(state: tuple[int, ...]) -> None:
    force = External(shape=Harmonic(stiffness_pn_per_um=STIFFNESS))
    programmed = SteeredTraps((force,), Plant(), None, MIDDLE_UM)  # type: ignore[arg-type]  # no light model is needed
    _, there = programmed.step(None, seen(state=state))
    here = wanted(Spring(), seen(state=state))
    np.testing.assert_array_equal(here.particle, there.particle)
    np.testing.assert_allclose(here.force_pn, there.force_pn, rtol=0, atol=1e-12)
    np.testing.assert_array_equal(here.delay_s, there.delay_s)
    assert here.withheld == there.withheld == ()


def test_a_particle_without_a_past_gets_no_light_and_a_reason() -> None:
    at = seen(begun=45)
    found = wanted(Late(), at)
    np.testing.assert_array_equal(found.particle, [0, 1])
    np.testing.assert_allclose(found.force_pn, [[-0.1, 0.0]] * 2, atol=1e-9)  # 0.2 s at 0.5 um/s
    assert found.withheld == ((2, "where it was 0.3 s ago is not known"),)
    assert policy(Late()).longest_delay_s == 0.3
    assert len(wanted(Late(), seen()).particle) == 3


@pytest.mark.parametrize("answer", [np.zeros(3), np.zeros((2, 2)), None, "x", np.zeros((3, 3))])
def test_an_answer_of_another_shape_is_a_fault(answer: Any) -> None:
    with pytest.raises(Fault, match="my_laws:Law"):
        wanted(Any_(answer), seen())


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (np.full((3, 2), 1.0 + 2.0j), "type complex128"),
        ([[1j, 0.0]] * 3, "type complex128"),
        (np.full((3, 2), "1"), "type <U1"),
        (np.full((3, 2), None), "type object"),
        (np.ma.masked_less(np.arange(6.0).reshape(3, 2), 1.0), "masked forces"),
        (np.ma.array(np.ones((3, 2)), mask=True), "masked forces"),
    ],
)
def test_an_answer_of_which_a_part_would_be_lost_is_a_fault(answer: Any, said: str) -> None:
    """Before, its real part, or the values under its mask, were used."""
    with pytest.raises(Fault, match=f"my_laws:Law gave .*{said}"):
        wanted(Any_(answer), seen())


@pytest.mark.parametrize(
    "answer",
    [
        np.ones((3, 2), np.bool_),
        np.ones((3, 2), np.int8),
        [[1, 1]] * 3,
        np.ma.array(np.ones((3, 2))),
        np.ones((3, 2), "f2"),
    ],
)
def test_an_answer_of_any_real_type_is_accepted(answer: Any) -> None:
    found = wanted(Any_(answer), seen()).force_pn
    assert found.dtype == np.float64
    assert type(found) is np.ndarray
    assert (found == 1.0).all()


def test_an_error_in_a_law_is_a_fault_with_its_line() -> None:
    with pytest.raises(Fault, match=r"my_laws:Law failed \(KeyError: 'no'; .*test_python_law.py, line \d+\)"):
        wanted(Any_(KeyError("no")), seen())
    with pytest.raises(Fault, match="defines neither force_pn nor step"):
        wanted(Law(), seen())


@pytest.mark.parametrize("error", [asyncio.CancelledError(), GeneratorExit(), SystemExit(3)])
def test_any_error_raised_by_a_law_is_a_fault(error: BaseException) -> None:
    """Before, an error that is no Exception ended a run as if without error."""
    with pytest.raises(Fault, match=type(error).__name__):
        wanted(Any_(error), seen())


class Exits(Exception):
    def __str__(self) -> str:
        raise SystemExit(0)


class Unclassed(Exception):
    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        raise RuntimeError("no class")


@pytest.mark.parametrize("kind", [Exits, Unclassed])
def test_an_error_whose_str_or_class_fails_is_a_fault(kind: type[Exception]) -> None:
    """Before, it ended a run with exit code 0 and without a record."""

    class Raises(Law):
        def force_pn(self, now: Now) -> Floats:
            raise kind

    with pytest.raises(Fault, match=kind.__name__):
        wanted(Raises(), seen())
    with pytest.raises(Fault, match=kind.__name__), faults_of("it"):
        raise kind


@pytest.mark.parametrize("delay_s", [math.nan, -1.0, -1e-9, 1e9, math.inf])
def test_a_delay_without_known_positions_is_a_fault_that_names_it(delay_s: float) -> None:
    class Asks(Law):
        def force_pn(self, now: Now) -> Floats:
            return now.past_um(delay_s) - now.position_um

    with pytest.raises(Fault, match=rf"past_um\({re.escape(f'{delay_s:g}')}\)"):
        wanted(Asks(), seen())


def test_an_interrupt_in_a_law_is_raised_again() -> None:
    with pytest.raises(KeyboardInterrupt):
        wanted(Any_(KeyboardInterrupt()), seen())


def test_a_law_can_not_change_its_input() -> None:
    """Before, a change of `now.particle` moved forces to other particles; a change of the tracks moved the light."""
    at = seen()
    tried: list[str] = []

    class Changes(Law):
        delays_s = (0.1,)

        def force_pn(self, now: Now) -> Floats:
            arrays: dict[str, NDArray[Any]] = {
                "particle": now.particle, "position_um": now.position_um, "species": now.species, "cell": now.cell,
                "newest": now.past_um(None), "tracks": now.seen.tracks.position_um, "state": now.seen.tracks.state,
                "allowed": now.seen.allowed.position_um, "history": now.seen.history.sightings[-1].position_um,
                "who": now.seen.history.sightings[-1].particle,
            }  # fmt: skip
            for name, array in arrays.items():
                with pytest.raises(ValueError, match="read-only"):
                    array += 1
                with pytest.raises(ValueError, match="WRITEABLE"):
                    array.setflags(write=True)
                tried.append(name)
            now.past_um(0.1)[:] = 0.0  # a new array each time
            return np.zeros_like(now.position_um)

    found = wanted(Changes(), at)
    assert len(tried) == 10
    np.testing.assert_array_equal(found.particle, [0, 1, 2])
    for array in (found.particle, found.force_pn, at.tracks.particle, at.tracks.position_um):
        assert array.flags.writeable  # the type of an array in a compiled kernel includes this flag


def test_a_force_that_is_not_finite_is_passed_to_the_interlock() -> None:
    answer = np.full((3, 2), np.nan)
    assert np.isnan(wanted(Any_(answer), seen()).force_pn).all()


def test_the_law_can_not_change_its_answer_later() -> None:
    law = Any_(np.ones((3, 2)))
    found = wanted(law, seen())
    law.answer[:] = 7.0
    assert (found.force_pn == 1.0).all()


def test_the_memory_is_passed_from_turn_to_turn() -> None:
    class Count(Law):
        def start(self) -> int:
            return 5

        def step(self, memory: int, now: Now) -> tuple[int, Floats]:
            return memory + 1, np.full((len(now.particle), 2), float(memory))

    made = policy(Count())
    memory, first = made.step(made.start(), seen())
    memory, second = made.step(memory, replace(seen(), effect_s=1.03))
    assert (memory, first.force_pn[0, 0], second.force_pn[0, 0]) == (7, 5.0, 6.0)

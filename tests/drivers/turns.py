"""Turns of every kind, for tests that store and read them."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from control.contract import Command, Forces, Frame, Level, Order, OrderKind, Tracks, Turn
from drivers.journal import Header, Kind

HEIGHT_PX, WIDTH_PX = 6, 9

floats = st.floats(width=64)
ints = st.integers(-(2**63), 2**63 - 1)
texts = st.text(max_size=12)


def header(**more: Any) -> Header:
    """A header of a run with small frames."""
    given: dict[str, Any] = {
        "kind": Kind.SIMULATED, "rig": "fps: 100\n", "experiment": "kind: none\n", "height_px": HEIGHT_PX,
        "width_px": WIDTH_PX, "seed": 7, "fps": 100.0, "um_per_px": 0.1, "versions": {"numpy": "2"},
        "started": "2026-01-01T00:00:00+00:00",
    }  # fmt: skip
    return Header(**{**given, **more})


def _floats(shape: Any) -> st.SearchStrategy[Any]:
    return hnp.arrays(np.float64, shape, elements=floats)


def _ints(count: int) -> st.SearchStrategy[Any]:
    return hnp.arrays(np.int64, count, elements=ints)


@st.composite
def tracks(draw: st.DrawFn) -> Tracks:
    n = draw(st.integers(0, 4))
    optional = draw(st.sampled_from([0, n]))  # a tracker may omit columns
    return Tracks(
        time_s=draw(floats), particle=draw(_ints(n)), position_um=draw(_floats((n, 2))),
        state=draw(hnp.arrays(np.uint8, n, elements=st.integers(0, 3))), species=draw(_ints(optional)),
        cell=draw(_ints(n)), position_px=draw(_floats((optional, 2))), mass=draw(_floats(n)),
        size_px=draw(_floats(optional)), ecc=draw(_floats(n)), signal=draw(_floats(n)), raw_mass=draw(_floats(n)),
        ep_px=draw(_floats(n)), species_age=draw(_ints(optional)), lost=draw(_ints(draw(st.integers(0, 2)))),
        notes=tuple(draw(st.lists(texts, max_size=2))),
    )  # fmt: skip


@st.composite
def forces(draw: st.DrawFn) -> Forces:
    n, m = draw(st.integers(0, 3)), draw(st.integers(0, 3))
    return Forces(
        particle=draw(_ints(n)), force_pn=draw(_floats((n, 2))), delay_s=draw(_floats(n)),
        carried=draw(hnp.arrays(np.bool_, n)), ring_particle=draw(_ints(m)), ring_um=draw(_floats((m, 2))),
        ring_radius_um=draw(_floats(m)), ring_kt=draw(_floats(m)), ring_delay_s=draw(_floats(m)),
        withheld=draw(withheld()), notes=tuple(draw(st.lists(texts, max_size=2))),
    )  # fmt: skip


def withheld() -> st.SearchStrategy[tuple[tuple[int, str], ...]]:
    return st.lists(st.tuples(ints, texts), max_size=2).map(tuple)


@st.composite
def commands(draw: st.DrawFn, sent: bool) -> Command:
    m = draw(st.integers(0, 3))
    columns = draw(_floats((m, 2))), draw(_floats(m)), draw(_floats(m)), draw(_ints(m))
    return Command(*columns, draw(texts), draw(floats), sent and draw(st.booleans()))


@st.composite
def frames(draw: st.DrawFn) -> Frame | None:
    image = draw(st.none() | hnp.arrays(np.uint8, (HEIGHT_PX, WIDTH_PX)))
    return None if image is None else Frame(draw(ints), draw(floats), image)


def orders() -> st.SearchStrategy[tuple[Order, ...]]:
    return st.lists(st.builds(Order, st.sampled_from(OrderKind), texts), max_size=2).map(tuple)


def turns() -> st.SearchStrategy[Turn]:
    """Any turn allowed by the contract, with times and numbers in any order."""
    return st.builds(
        Turn, number=ints, frame=frames(), now_s=floats, orders=orders(), tracks=tracks(), wanted=forces(),
        allowed=commands(sent=False), sent=commands(sent=True), level=st.sampled_from(Level), reason=texts,
        effect_s=floats,
        withheld=withheld(), notes=st.lists(texts, max_size=2).map(tuple), sent_s=floats, dropped=st.integers(0, 2**60),
    )  # fmt: skip


def plausible(number: int, particles: int = 3, seed: int = 0) -> Turn:
    """A turn as recorded on a rig: `particles` particles, each with a spot, 100 fps; frame 5 is dropped."""
    chance = np.random.default_rng([seed, number])
    time_s = 0.01 * (number + (number > 5))
    who = np.arange(particles)
    place_um = chance.random((particles, 2)) * 0.6
    columns: Any = {
        name: chance.random(particles) for name in ("mass", "size_px", "ecc", "signal", "raw_mass", "ep_px")
    }
    seen = Tracks(
        time_s, who, place_um, np.zeros(particles, np.uint8), who * 0, who * 0, place_um / 0.1, **columns
    )  # fmt: skip
    spots = Command(place_um, np.full(particles, 0.5), np.full(particles, 1e-3), who)
    image = chance.integers(0, 255, (HEIGHT_PX, WIDTH_PX), np.uint8)
    return Turn(
        number=number, frame=Frame(number + (number > 5), time_s, image), now_s=time_s + 0.005, orders=(), tracks=seen,
        wanted=Forces(who, place_um, np.full(particles, 0.5), np.zeros(particles, np.bool_)), allowed=spots,
        sent=dataclasses.replace(spots, effect_s=time_s + 0.021), level=Level.ARMED, reason="armed",
        effect_s=time_s + 0.02, withheld=((particles, "new"),), sent_s=time_s + 0.006, dropped=int(number > 5),
    )  # fmt: skip

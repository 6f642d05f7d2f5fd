"""Short versions: a few seconds of flight of every row and family that is too long for `make test`, within a wide
band."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import pytest

from app.reproduce.check import Effort, load
from app.reproduce.family import Found, explore, load_families
from app.reproduce.measure import measure
from app.reproduce.verdict import CheckVerdict

CHECKS, FAMILIES = load(), load_families()


@dataclass(frozen=True)
class Little:
    """Duration of the flight, and the allowed relative deviation from the prediction."""

    seconds: float
    band: float
    settle_s: float | None = None
    stretches: int | None = None

    def flown(self, name: str, *, sabotaged: bool = False) -> CheckVerdict:
        check, document = CHECKS[name]
        settle_s = check.settle_s if self.settle_s is None else self.settle_s
        plain = replace(
            check.sabotage, factor=1.0 + 4.0 * (check.sabotage.factor - 1.0)
        )  # 20 %: a short run is not precise
        little = replace(check, settle_s=settle_s, stretches=self.stretches or check.stretches, sabotage=plain)
        return measure(little, document, Effort(seconds=self.seconds), sabotaged=sabotaged, drawn=False).verdict

    def agrees(self, verdict: CheckVerdict) -> bool:
        return abs(verdict.measured / verdict.predicted - 1.0) <= self.band


ROWS = {
    "P1-instrument": Little(6.0, 0.12),
    "P2-instrument": Little(2.0, 0.08),
    "P3-instrument": Little(3.0, 0.08),
    "P7-instrument": Little(6.0, 0.15),
    "P9-instrument": Little(8.0, 0.25),
    "P14-instrument": Little(16.0, 0.25, stretches=8),
    "P18-instrument": Little(20.0, 0.9, stretches=8),
    "P22-instrument": Little(16.0, 0.05, stretches=12),
    "P23-instrument": Little(5.0, 0.03, settle_s=1.0),
    "P24-instrument": Little(5.0, 0.03, settle_s=1.0),
    "P26-instrument": Little(5.0, 0.08, settle_s=0.5),
    "P32-instrument": Little(9.2, 0.15, stretches=10),
}
# SHARP: rows whose sabotage is detected in a short run; the other numbers are not precise enough.
LONG = {"P7-instrument", "P9-instrument", "P18-instrument"}  # flown by `make test-slow`
SHARP = [f"P{number}-instrument" for number in (1, 2, 3, 7, 22, 23, 24, 26)]


def in_little(names: Iterable[str]) -> list[Any]:
    return [pytest.param(name, marks=pytest.mark.slow) if name in LONG else name for name in names]


@pytest.mark.parametrize("name", in_little(ROWS))
def test_a_short_row_is_near_its_prediction(name: str) -> None:
    verdict = ROWS[name].flown(name)
    assert ROWS[name].agrees(verdict), verdict


@pytest.mark.parametrize("name", in_little(SHARP))
def test_a_sabotaged_short_row_is_caught(name: str) -> None:
    verdict = ROWS[name].flown(name, sabotaged=True)
    assert verdict.caught
    assert not ROWS[name].agrees(verdict), verdict


def explored(name: str, seconds: float, values: tuple[float, ...] = (), across: tuple[float, ...] = (),
             policy: Mapping[str, Any] | None = None) -> Found:  # fmt: skip
    """A family with few of its values, for a short time."""
    family, document = FAMILIES[name]
    experiment = {**document.data["experiment"], "seconds": seconds, **({"policy": policy} if policy else {})}
    for field, chosen in (("sweep", values), ("across", across)):
        if chosen:
            family = replace(family, **{field: replace(getattr(family, field), values=chosen)})
    return explore(family, replace(document, data={**document.data, "experiment": experiment}))


@pytest.mark.parametrize(
    ("name", "seconds"),
    [("c", 7.0), pytest.param("d-honeycomb", 5.0, marks=pytest.mark.slow), ("d-square-single", 7.0)],
)
def test_a_short_family_has_the_wanted_numbers(name: str, seconds: float) -> None:
    """The cluster, the honeycomb, and the square start that one ring makes hexagonal. Without the law none of them
    forms."""
    assert explored(name, seconds).missed == ()
    assert explored(name, 5.0, policy={"kind": "programmed", "forces": []}).missed


def test_a_short_search_finds_gas_and_crystal() -> None:
    """A ring smaller than a diameter drives the particles apart, a wide one orders them."""
    numbers = explored("e-pullers", 12.0, (1.4, 2.4), (0.4,)).numbers
    assert numbers["points: gas"] == 1.0
    assert numbers["points: hexagonal"] == 1.0


@pytest.mark.parametrize(("name", "kept", "lost"), [("e-quorum", 1.0, 8.0), ("e-vision", 90.0, 180.0)])
def test_a_short_group_stays_together_or_spreads(name: str, kept: float, lost: float) -> None:
    """The group grows much less if few neighbours are enough to stop, or if the vision cone holds it together."""
    numbers = explored(name, 8.0, (kept, lost)).numbers
    assert numbers[f"final size / initial size, at {kept:g}"] < 1.2
    assert numbers[f"final size / initial size, at {lost:g}"] > 1.4

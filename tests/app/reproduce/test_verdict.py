"""Judging a measurement: pass, failure, and the rate at which a true prediction fails by chance."""

import math
from typing import Any

import numpy as np
import pytest

from app.reproduce.verdict import CHANCE, CheckVerdict, judge

EXACT = {"exact": True, "tolerance": 0.0, "precision": 0.04, "level": "plant"}


def drawn(mean: float, spread: float, blocks: int, seed: int = 1) -> np.typing.NDArray[np.float64]:
    return mean + spread * np.random.default_rng(seed).standard_normal(blocks)


def test_a_true_prediction_fails_at_the_stated_rate() -> None:
    chance = np.random.default_rng(5)
    false = sum(not judge(1.0 + 0.05 * chance.standard_normal(16), 1.0, **EXACT).passed for _ in range(4000))  # type: ignore[arg-type]
    assert 2 <= false <= 25  # 10.8 expected
    assert CHANCE == 0.0027


def test_an_error_of_twenty_percent_fails() -> None:
    assert not judge(drawn(1.2, 0.1, 16), 1.0, **EXACT).passed  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("blocks", "level", "passes"), [(15, "plant", False), (16, "plant", True), (8, "instrument", True)]
)
def test_too_few_blocks_fail(blocks: int, level: str, passes: bool) -> None:
    values = np.tile([0.999, 1.001], 20)[:blocks]
    verdict = judge(values, 1.0, exact=True, tolerance=0.0, precision=0.04, level=level)
    assert verdict.passed is passes
    assert passes or "are needed" in verdict.why


def test_blocks_without_a_value_do_not_count() -> None:
    values = np.where(np.arange(20) < 10, np.nan, 1.0)
    assert judge(values, 1.0, **EXACT).blocks == 10  # type: ignore[arg-type]


def test_a_missing_measurement_catches_no_sabotage() -> None:
    """Too few blocks, or no block with a value: only a number catches a sabotage."""
    assert judge(drawn(1.2, 0.1, 16), 1.0, **EXACT).caught  # type: ignore[arg-type]
    assert not judge(drawn(1.0, 0.1, 16), 1.0, **EXACT).caught  # type: ignore[arg-type]
    for values in (drawn(1.2, 0.1, 15), np.full(40, np.nan)):
        verdict = judge(values, 1.0, **EXACT)  # type: ignore[arg-type]
        assert not verdict.passed
        assert not verdict.caught


def test_a_large_standard_error_fails() -> None:
    verdict = judge(drawn(1.0, 0.5, 16), 1.0, **EXACT)  # type: ignore[arg-type]
    assert not verdict.passed
    assert "standard error" in verdict.why


def test_an_approximate_check_allows_tolerance_and_three_errors() -> None:
    def near(mean: float) -> CheckVerdict:
        values = mean + np.tile([-0.04, 0.04], 8)  # s.e. 0.01033
        return judge(values, 1.0, exact=False, tolerance=0.05, precision=0.04, level="plant")

    assert near(1.08).passed
    assert not near(1.082).passed


@pytest.mark.parametrize("how", [{"exact": True, "tolerance": 0.0}, {"exact": False, "tolerance": 0.2}])
def test_the_undetected_deviation_of_a_row_is_limited(how: dict[str, Any]) -> None:
    """Both kinds pass only by |deviation| + 2 s.e., here 1.5 % + 2 * 0.26 %."""
    values = 1.015 + np.tile([-0.01, 0.01], 8)
    for within, passed in ((math.inf, not how["exact"]), (0.021, not how["exact"]), (0.02, False)):
        verdict = judge(values, 1.0, precision=0.04, level="plant", within=within, **how)
        assert verdict.passed is passed
        assert passed or within > 0.02 or "2.0% is allowed" in verdict.why
    near = judge(values - 0.015, 1.0, precision=0.04, level="plant", within=0.02, **how)
    assert near.passed

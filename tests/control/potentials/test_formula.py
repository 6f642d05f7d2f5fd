"""A typed formula: exact gradient, errors shown with a caret, and only mathematics is evaluated."""

from __future__ import annotations

import ast
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from config.reader import build, parse
from config.refused import Refused
from control.potentials import AnyShape
from control.potentials.dual import Dual, constant
from control.potentials.expression import DEEPEST, LONGEST, RESERVED, FormulaError, evaluate, names_in
from control.potentials.expression import parse as parse_formula
from control.potentials.formula import Formula
from control.potentials.painting import paint, painted_energy_pn_um
from control.potentials.shape import Floats

KT = 4.07e-3
NAMES = ("r", "x", "y", "t", "k", "R")


def fault(text: str) -> FormulaError:
    with pytest.raises(FormulaError) as caught:
        parse_formula(text, NAMES)
    return caught.value


def value_of(text: str, **numbers: float) -> float:
    return float(evaluate(parse_formula(text, tuple(numbers)), {k: constant(v) for k, v in numbers.items()}).value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0.5*k*(r-R)**2", 0.5 * 0.9 * 0.49),
        ("-r**2", -2.89),
        ("2**3**2", 512.0),
        ("  sin(pi/6) ", 0.5),
        ("1e3*r - +r/2", 1700.0 - 0.85),
        ("max(r, R) - min(r, R)", 0.7),
        ("where(r < R, 7, abs(-8))", 8.0),
        ("where(r >= R, exp(log(r)), 0)", 1.7),
        ("tanh(r) - tan(r)/sqrt(k) + cos(R)", math.tanh(1.7) - math.tan(1.7) / math.sqrt(0.9) + math.cos(1.0)),
    ],
)
def test_a_formula_has_its_mathematical_value(text: str, value: float) -> None:
    assert value_of(text, r=1.7, k=0.9, R=1.0) == pytest.approx(value, rel=1e-14)


@pytest.mark.parametrize(
    ("text", "column", "said"),
    [
        ("0.5*q*(r-R)**2", 4, "'q' is not known here"),
        ("0.5*k*(r-R", 6, "never closed"),
        ("0.5*k*(r-R)^2", 11, r"written \*\*"),
        ("2r", 0, "runs into a name"),
        ("k(r-R)", 0, r"written k\*"),
        ("r + * 3", 4, "from here on"),
        ("r +", 3, "from here on"),
        ("1)+(2", 1, "unmatched"),
        ("", 0, "empty"),
        ("   ", 0, "empty"),
        ("  1 + zz", 6, "'zz'"),
        ("sinn(r)", 0, "did you mean 'sin'"),
        ("sin", 0, "in parentheses"),
        ("sin(r, 2)", 0, "1 argument"),
        ("min(r)", 0, "2 arguments"),
        ("where(r, 1, 2)", 6, "one comparison"),
        ("where(r < 1, 2)", 0, "3 arguments"),
        ("where(0 < r < 1, 2, 3)", 6, "one comparison"),
        ("r < 1", 0, "only as the condition"),
        ("r // 2", 2, "not one of"),
        ("r, x", 0, "comma"),
        ("5*µ", 2, "no place"),
        ("r[0]", 1, "no place"),
        ("'r'", 0, "no place"),
        ("r\n+ x", 1, "no place"),
        ("1j*r", 0, "no place"),
        ("1e999*r", 0, "too large"),
        ("r**99", 3, "too high"),
        ("r**-99", 4, "too high"),
        ("r if r < 1 else 2", 0, "where"),
        ("not r", 0, "'not'"),
        ("r and x", 0, "'and'"),
        ("True*r", 0, "no place"),
        ("None", 0, "no place"),
    ],
)
def test_an_error_is_shown_with_its_position(text: str, column: int, said: str) -> None:
    error = fault(text)
    assert error.column == column
    with pytest.raises(FormulaError, match=said):
        raise error
    if "\n" not in text:
        sentence, line, caret = str(error).split("\n")
        assert sentence == error.sentence
        assert line.removeprefix("    ") == text
        assert caret == "    " + " " * column + "^"


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os')",
        "__import__",
        "().__class__",
        "r.real",
        "sin.__globals__",
        "(lambda: r)()",
        "lambda r: r",
        "(r for r in x)",
        "[r for r in x]",
        "{r}",
        "exec(r)",
        "eval(r)",
        "open(r)",
        "print(r)",
        "sin(*x)",
        "sin(r=x)",
        "where(r < 1, exec(x), 2)",
        "where(exec(r) < 1, 1, 2)",
        "(r := 3)",
        "9**9**9**9**9**9**999",
        "9**9999999999",
        "f'{r}'",
        "(yield r)",
        "(await r)",
        "-" * (DEEPEST + 1) + "r",
        "(" * 250 + "r" + ")" * 250,
        "r+" * LONGEST + "r",
        "sin(" * 80 + "r" + ")" * 80,
        "1" * LONGEST,
        "1e300*" + "9" * 390,
    ],
)
def test_a_text_that_is_not_a_formula_is_refused(text: str) -> None:
    assert fault(text).sentence


@given(st.text(alphabet="rxytkR0123456789.+-*/^()<>=, eabcsinwhm_[]'#!", max_size=60) | st.text(max_size=40))
@settings(max_examples=500, deadline=None)
def test_any_text_is_a_formula_or_an_error(text: str) -> None:
    try:
        tree = parse_formula(text, NAMES)
    except FormulaError as error:
        column = error.column
    else:
        column = 0
        found = evaluate(tree, {name: constant(0.7) for name in NAMES})
        assert isinstance(found, Dual)
        assert names_in(tree) <= {*NAMES, *RESERVED}
    assert 0 <= column <= len(text)


leaves = st.sampled_from(["r", "x", "y", "k", "R", "0.7", "pi", "2"])
formulas = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from("+-*"), inner).map(lambda t: f"({t[0]} {t[1]} {t[2]})"),
        st.tuples(inner, inner).map(lambda t: f"({t[0]} / (1.5 + ({t[1]})**2))"),
        st.tuples(st.sampled_from(["sin", "cos", "tanh"]), inner).map(lambda t: f"{t[0]}({t[1]})"),
        inner.map(lambda t: f"exp(-abs({t}))"),
        inner.map(lambda t: f"log(1 + sqrt(1 + ({t})**2))"),
        st.tuples(inner, inner).map(lambda t: f"min({t[0]}, {t[1]})"),
        st.tuples(inner, inner).map(lambda t: f"where({t[0]} < {t[1]}, {t[1]}, {t[0]})"),
        inner.map(lambda t: f"(1.2 + cos({t}))**(0.3*k)"),
        inner.map(lambda t: f"(1.2 + cos({t}))**sin({t})"),
    ),
    max_leaves=6,
).filter(lambda text: len(text) < LONGEST)


@given(formulas, st.floats(-2.0, 2.0), st.floats(-2.0, 2.0))
@settings(max_examples=300, deadline=None)
def test_the_gradient_is_the_limit_of_difference_quotients(text: str, x_um: float, y_um: float) -> None:
    shape = Formula(formula=text + "+ 0*x", parameters={"k": 0.9, "R": 1.1}, range_um=(-3.0, 3.0))
    here = np.array([x_um, y_um])
    force_pn = shape.force_pn(here, kt_pn_um=KT)
    for axis in range(2):
        sides = []
        for step in (3e-6, -3e-6):
            away = here.copy()
            away[axis] += step
            moved = float(shape.energy_pn_um(away, kt_pn_um=KT) - shape.energy_pn_um(here, kt_pn_um=KT))
            sides.append(-moved / step)
        # at a kink of min, abs or where, the force lies between the slopes on either side, or is one of them
        slack = 1e-4 * (1.0 + max(map(abs, sides)))
        assert min(sides) - slack <= force_pn[axis] <= max(sides) + slack


def test_a_typed_ring_equals_the_annular_potential() -> None:
    typed = Formula(formula="0.5*k*(r-R)**2", parameters={"k": 0.9, "R": 1.0})
    r_um = np.array([0.0, 0.4, 1.0, 2.0])
    np.testing.assert_allclose(typed.radial_force_pn(r_um, kt_pn_um=KT), 0.9 * (1.0 - r_um), atol=1e-15)
    np.testing.assert_allclose(typed.radial_energy_pn_um(r_um, kt_pn_um=KT), 0.45 * (1.0 - r_um) ** 2)
    in_kt = Formula(formula="0.5*k*(r-R)**2", parameters={"k": 0.9, "R": 1.0}, unit="kt")
    np.testing.assert_allclose(in_kt.radial_force_pn(r_um, kt_pn_um=KT), KT * 0.9 * (1.0 - r_um), atol=1e-15)


def test_x_y_and_t_give_an_external_field() -> None:
    wave = Formula(formula="cos(x - v*t)*y", parameters={"v": 2.0}, range_um=(-5.0, 5.0))
    assert not wave.central
    assert not wave.steady
    offset_um = np.array([[1.0, 0.5], [2.0, -1.0]])
    force_pn = wave.force_pn(offset_um, kt_pn_um=KT, time_s=0.3)
    x_um, y_um = offset_um.T
    np.testing.assert_allclose(force_pn, np.stack([np.sin(x_um - 0.6) * y_um, -np.cos(x_um - 0.6)], axis=1))


def test_below_its_range_the_force_is_constant_and_beyond_it_zero() -> None:
    shape = Formula(formula="1/r", range_um=(0.5, 5.0))
    force_pn = shape.radial_force_pn(np.array([0.0, 0.2, 0.5, 5.0, 5.1]), kt_pn_um=KT)
    np.testing.assert_allclose(force_pn, [4.0, 4.0, 4.0, 0.04, 0.0])
    plane = Formula(formula="0.5*x**2 + 0.5*y**2", range_um=(-2.0, 2.0))
    np.testing.assert_allclose(plane.force_pn(np.array([[3.0, 1.0]]), kt_pn_um=KT), [[0.0, -1.0]])


@pytest.mark.parametrize("text", ["1or r", "1if r else 2", "0xfor r", "1in r", "2*.5not r", "1.and r"])
def test_a_number_joined_to_a_python_keyword_is_one_error(text: str) -> None:
    found = fault(text)
    assert found.sentence.startswith("a number runs into a name here")
    assert text[found.column] in "012345."


def test_a_force_that_is_not_finite_gives_no_warning() -> None:
    """The interlock trips and states the reason."""
    formula = Formula(formula="where(t > 0.05, where(t < 0.2, r*1e300*1e300, r), r)")  # finite where it is checked
    found = formula.force_pn(np.ones((1, 2)), kt_pn_um=1.0, time_s=0.1)
    assert not np.isfinite(found).all()


@pytest.mark.parametrize(
    ("text", "column", "said"),
    [
        ("2 + 1/r", 5, "not finite at r = 0 um"),
        ("log(r)", 0, "not finite at r = 0 um"),
        ("k*sqrt(r)", 2, "slope is not finite at r = 0 um"),
        ("exp(9*k*r**3)", 0, "not finite at r ="),
        ("x/(y - 3)", 1, "x = -100 um, y = 3"),
        ("r*exp(t)", 2, "at t = 3600 s it is not finite"),
        ("3/(r - 1.23456)", 1, "r = 1.235 um"),
        ("3 + 1/(2*(r - k*1.23456)**2)", 5, "r = 1.235 um"),
        ("abs(r - 1.23456)**-0.5", 16, "r = 1.235 um"),
        ("log(abs(r - 1.23456))", 0, "r = 1.235 um"),
        ("tan(r)", 0, "r = 1.571 um"),
        ("where(r > 1, 1/(r - 1.5005), 0)", 14, "r = 1.5 um"),
        ("1/(y - 2.345)", 1, "y = 2.345 um"),
        ("1/(x - 0.777)/(3 + y**2)", 1, "x = 0.777 um"),
        ("9**9**9", 1, "not finite"),
    ],
)
def test_a_value_that_is_not_finite_is_refused_with_its_position(text: str, column: int, said: str) -> None:
    with pytest.raises(FormulaError, match=said) as caught:
        Formula(formula=text, parameters={"k": 1.0}, range_um=(-100.0, 3.0) if "y" in text else None)
    assert caught.value.column == column


@pytest.mark.parametrize(
    "text", ["where(r > 2, 1/(r - 1.2345), 5)", "log(r + 1)/(1 + r**2)", "sqrt(1 + r)", "1/cosine", "(r + 1)**-3"]
)
def test_a_finite_formula_is_not_refused(text: str) -> None:
    assert np.isfinite(Formula(formula=text, parameters={"cosine": 0.5}).force_pn(np.ones((3, 2)), kt_pn_um=KT)).all()


@pytest.mark.parametrize("name", ["r", "t", "pi", "sin", "where", "a b", "µ", "2k", ""])
def test_a_parameter_with_a_reserved_name_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="can't be called"):
        Formula(formula="r", parameters={name: 1.0})


@pytest.mark.parametrize("range_um", [(2.0, 1.0), (1.0, 1.0), (-1.0, 1.0)])
def test_a_range_that_does_not_rise_is_refused(range_um: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match="has to rise"):
        Formula(formula="r", range_um=range_um)


def test_an_unknown_position_gives_an_unknown_force() -> None:
    for text in ("min(3, r)", "x + y", "where(x < 1, 2*x, 3*y)", "5"):
        offset_um: Floats = np.array([[np.nan, np.nan], [np.nan, 1.0]])
        assert np.isnan(Formula(formula=text).force_pn(offset_um, kt_pn_um=KT)).all()


def test_the_strict_reader_shows_the_caret() -> None:
    text = "shape:\n  kind: formula\n  formula: 0.5*k*(r-R)^2\n  parameters: {k: 0.9, R: 1.0}\n"
    with pytest.raises(Refused) as caught:
        build(parse(text, "mine.yaml"), AnyShape, ("shape",))
    first, line, caret = str(caught.value).split("\n")
    assert first.startswith("mine.yaml, line ")
    assert line.index("^") == caret.index("^")


def test_a_typed_gaussian_ring_is_painted() -> None:
    shape = Formula(
        formula="-a*exp(-(r-R)**2/2/w**2)", unit="kt", parameters={"a": 8, "R": 2, "w": 0.5}, range_um=(0, 5)
    )
    rings = paint(shape, waist_um=0.6, kt_pn_um=KT)
    r_um = np.linspace(0.0, 5.0, 100)
    painted_kt = painted_energy_pn_um(rings, r_um, waist_um=0.6, kt_pn_um=KT) / KT
    np.testing.assert_allclose(painted_kt, -8.0 * np.exp(-((r_um - 2.0) ** 2) / 0.5), atol=0.02)


@pytest.mark.parametrize(("text", "said"), [("x**2", "distance r alone"), ("r*cos(t)", "time t")])
def test_a_potential_that_light_can_not_paint_is_refused(text: str, said: str) -> None:
    with pytest.raises(Refused, match=said):
        paint(Formula(formula=text), waist_um=0.6, kt_pn_um=KT)


def test_an_unchecked_syntax_tree_is_not_evaluated() -> None:
    with pytest.raises(FormulaError, match="never checked"):
        evaluate(ast.parse("[r]", mode="eval").body, {"r": constant(1.0)})

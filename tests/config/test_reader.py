"""The strict reader: accepted texts, and refusals in one sentence."""

from contextlib import suppress
from pathlib import Path
from typing import Annotated, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.fields import Doc, Field, Gt, describe, settings, variants
from config.reader import build, override, parse, plain, put, read, write
from config.refused import Refused


@settings
class Ring:
    """A ring."""

    kind: Literal["ring"] = "ring"
    radius_um: Annotated[float, Gt(0), Doc("radius of the ring")] = 1.0


@settings
class Drawn:
    kind: Literal["drawn"] = "drawn"
    points: tuple[tuple[float, float], ...] = ()


AnyShape = Annotated[Ring | Drawn, Field(discriminator="kind")]


@settings
class Plan:
    title: str
    number: int = 1
    shape: AnyShape = Ring()
    others: tuple[AnyShape, ...] = ()


def plan(text: str) -> Plan:
    made: Plan = build(parse(text, "plan.yaml"), Plan)
    return made


def test_nested_settings_and_numbers_in_scientific_notation_are_read() -> None:
    made = plan("title: x\nshape: {kind: ring, radius_um: 2e-1}\nothers:\n - {kind: drawn, points: [[0, 1], [1, 2.5]]}")
    assert made == Plan(title="x", shape=Ring(radius_um=0.2), others=(Drawn(points=((0.0, 1.0), (1.0, 2.5))),))


UNREADABLE = {
    "title: a\0b": "plan.yaml.*: this is not YAML \\(.*control characters",
    'title: "a\\0b"': "plan.yaml, line 1: found a character that is not allowed in a text: 'a.x00b'",
    "title: [" + "[" * 3000: "plan.yaml, line 1: this is nested too deeply",
    "title: " + "[" * 100 + "]" * 100: "plan.yaml, line 1: this is nested too deeply",
    "title: &me [*me]": "plan.yaml, line 1: this is nested too deeply",
    "title: !!timestamp 2001-99-99": "plan.yaml, line 1: found a value of the type timestamp",
    "title: !!binary aGk=": "plan.yaml, line 1: found a value of the type binary",
    "title: x\nnumber: 2001-01-01": "plan.yaml, line 2: .number. is the text .2001-01-01.",
    "title: " + "9" * 5000: "plan.yaml, line 1: found a number of 5000 digits",
    "? [title]\n: x": "plan.yaml, line 1: found a list or a mapping where a key is needed",
    'title: x\nnumber: !!int ""': "plan.yaml, line 2: this is not YAML \\('' where a whole number is needed",
    'title: x\nnumber: !!float "_"': "plan.yaml, line 2: this is not YAML \\('_' where a number is needed",
    'title: x\n!!int "+": 5': "plan.yaml, line 2: this is not YAML \\('.' where a whole number is needed",
    "title: x\nnumber: !!bool maybe": "plan.yaml, line 2: this is not YAML \\('maybe' where true or false is needed",
    "title: x\nnumber: " + "1:" * 200 + "1.": "plan.yaml, line 2: this is not YAML \\('1:1.*' where a number is needed",
}


@pytest.mark.parametrize("text", UNREADABLE, ids=range(len(UNREADABLE)))
def test_unreadable_text_is_refused_in_one_sentence(text: str) -> None:
    with pytest.raises(Refused, match=UNREADABLE[text]) as refusal:
        plan(text)
    assert "\n" not in str(refusal.value)


@given(
    kind=st.sampled_from(("int", "float", "bool", "null", "str", "map", "seq", "set", "omap", "timestamp")),
    text=st.text("+-_.:0123456789xobeEinfa'", max_size=40),
    repeated=st.sampled_from((1, 100)),
)
def test_a_text_with_any_tag_is_read_or_refused(kind: str, text: str, repeated: int) -> None:
    value = f'!!{kind} "{text * repeated}"'
    for written in (f"key: {value}", f"{value}: key", f"key: {text * repeated}"):
        with suppress(Refused):
            parse(written, "plan.yaml")


@pytest.mark.parametrize(
    "text", ["a\0b", "[" * 3000, "!!binary aGk=", "&a [*a]", "0x" + "f" * 5000, '!!int ""', "1:" * 200 + "1."]
)
def test_unreadable_values_are_refused(text: str) -> None:
    with pytest.raises(Refused, match=r"^--set number(, line 1)?: (this is not YAML|this is nested|found)"):
        override(parse("title: x", "plan.yaml"), "number", text, "--set number")


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        (
            "title: x\nshape:\n  kind: ring\n  radius_umm: 2\n",
            ["line 4", "'shape.radius_umm'", "did you mean 'radius_um'"],
        ),
        ("title: x\nshape:\n  kind: ring\n  radius_um: -2\n", ["line 4", "'shape.radius_um' is -2", "greater than 0"]),
        ("title: x\nshape: {kind: ring, radius_um: big}", ["line 2", "the text 'big'", "valid number"]),
        ("title: x\nshape: {kind: ring, radius_um: .inf}", ["line 2", "finite"]),
        ("title: x\nshape: {kind: ring, radius_um: true}", ["line 2", "is true", "valid number"]),
        ("title: x\nshape: {kind: rink}", ["line 2", "'rink'", "did you mean 'ring'", "allowed: ring, drawn"]),
        ("title: x\nshape: {radius_um: 2}", ["line 2", "'kind'", "allowed: ring, drawn"]),
        ("title: x\nothers:\n- kind: drawn\n  ptz: 3", ["line 4", "'others.0.ptz'", "allowed here: kind, points"]),
        ("title: x\nnumber: 1\ntitle: y", ["line 3", "written twice", "line 1"]),
        ("shape: {kind: ring}", ["'title' is missing"]),
        ("title: x\nnumber: 1.5", ["line 2", "'number' is 1.5", "valid integer"]),
        ("title: [", ["not YAML"]),
        ("- a\n- b", ["a list at the top"]),
        ("title: !!python/object/apply:os.system [ls]", ["found a value of the type python"]),
    ],
)
def test_a_refusal_is_one_sentence_with_file_line_and_key(text: str, parts: list[str]) -> None:
    with pytest.raises(Refused) as refused:
        plan(text)
    said = str(refused.value)
    assert said.startswith("plan.yaml")
    assert "\n" not in said
    for part in parts:
        assert part in said, said


def test_for_a_missing_file_the_most_similar_name_is_suggested(tmp_path: Path) -> None:
    (tmp_path / "rig.yaml").write_text("title: x")
    with pytest.raises(Refused, match=r"no such file; did you mean .*rig\.yaml"):
        read(tmp_path / "rigg.yaml")


def test_an_override_sets_a_value_and_is_named_in_its_errors() -> None:
    document = parse("title: x\nshape: {kind: ring}\nothers: [{kind: ring}]", "plan.yaml")
    made: Plan = build(override(document, "others.0.radius_um", "3", "--set"), Plan)
    assert made.others == (Ring(radius_um=3.0),)
    with pytest.raises(Refused, match=r"^--set shape\.radius_um=-1: 'shape\.radius_um' is -1"):
        build(override(document, "shape.radius_um", "-1", "--set shape.radius_um=-1"), Plan)
    with pytest.raises(Refused, match="nothing at"):
        override(document, "others.7.radius_um", "3", "--set")
    assert build(document, Plan) == plan("title: x\nothers: [{kind: ring}]")  # the original is unchanged


@given(
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20),
    st.integers(1, 9),
    st.floats(1e-6, 1e6),
    st.lists(st.tuples(st.floats(0, 9), st.floats(-9, 9))),
)
def test_written_settings_are_read_back_unchanged(
    title: str, number: int, radius_um: float, points: list[tuple[float, float]]
) -> None:
    made = Plan(title=title, number=number, shape=Ring(radius_um=radius_um), others=(Drawn(points=tuple(points)),))
    assert build(parse(write(made), "back"), Plan) == made
    assert plain(made)["shape"] == {"kind": "ring", "radius_um": radius_um}


def test_form_fields_are_made_from_the_settings_fields() -> None:
    form = {field.name: field for field in describe(Ring)}
    assert (form["radius_um"].unit, form["radius_um"].minimum, form["radius_um"].help) == (
        "µm",
        0.0,
        "radius of the ring",
    )
    assert form["kind"].choices == ("ring",)
    assert variants(AnyShape) == {"ring": Ring, "drawn": Drawn}


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("shape..radius_um", "--set shape..radius_um: found the key 'shape..radius_um', of which a piece is empty"),
        (".shape", "a piece is empty"),
        ("", "a piece is empty"),
        ("1", "--set 1: found the unknown key '1'"),  # its position was not found: a number is no name
        ("shape.1.radius_um", "--set shape.1.radius_um: found the unknown key 'shape.1'"),
        ("shape.new.radius_um", "--set shape.new.radius_um: found the unknown key 'shape.new'"),
    ],
)
def test_an_error_caused_by_an_override_names_the_override(key: str, said: str) -> None:
    """It does not name a line of the file, which is correct."""
    with pytest.raises(Refused, match=said):
        build(override(parse("title: a\nshape: {kind: ring}", "plan.yaml"), key, "3", f"--set {key}"), Plan)


@settings
class Span:
    """Two numbers in order."""

    low: int = 1
    high: int = 2

    def __post_init__(self) -> None:
        if self.low >= self.high:
            raise ValueError("low is not below high")


@settings
class Spanned:
    """A span."""

    span: Span


def test_a_value_inconsistent_with_others_is_named_with_its_source() -> None:
    """Before, only the file of the other values was named, which is correct."""
    rig = parse("span: {low: 1, high: 2}", "rig.yaml")
    for document, place in (
        (put(rig, "span.low", 5, "plan.yaml, line 4"), "plan.yaml, line 4 (in rig.yaml, line 1)"),
        (override(rig, "span.low", "5", "--set span.low=5"), "--set span.low=5 (in rig.yaml, line 1)"),
        (override(rig, "span", "{low: 5}", "--set span={low: 5}"), "--set span={low: 5}"),
        (parse("span: {low: 3, high: 2}", "rig.yaml"), "rig.yaml, line 1"),
    ):
        with pytest.raises(Refused) as refused:
            build(document, Spanned)
        assert str(refused.value) == f"{place}: 'span': low is not below high"

"""The reader of tables: every fault with its key, value and remedy, and every default gathered."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workload.reader import Reader, clock_hours, flag, number, one_of, prose, seconds, text, whole


@pytest.mark.parametrize(
    ("written", "expected"),
    [("90s", 90), ("2m", 120), ("2min", 120), ("65h", 234_000), ("250ms", 0.25), ("1d", 86_400),
     (" 1.5 h ", 5400), (3, 3), (0, 0), (2.5, 2.5)],
)  # fmt: skip
def test_a_span_is_seconds(written: object, expected: float) -> None:
    """A number with a unit, or seconds."""
    assert seconds(written) == pytest.approx(expected)


@pytest.mark.parametrize("wrong", ["", "2 weeks", "-5s", -5, True, math.nan, math.inf, None, "h"])
def test_anything_else_is_no_span(wrong: object) -> None:
    """The remedy shows the form."""
    with pytest.raises(ValueError, match="write a span such as '30s', '2m' or '65h'"):
        seconds(wrong)


@given(st.integers(0, 23), st.integers(0, 59))
def test_a_time_of_day_is_hours(hour: int, minute: int) -> None:
    """'19:30' is 19.5."""
    assert clock_hours(f"{hour:02d}:{minute:02d}") == pytest.approx(hour + minute / 60)


@pytest.mark.parametrize("wrong", ["24:00", "7", "19:60", 19, None])
def test_anything_else_is_no_time_of_day(wrong: object) -> None:
    """The remedy shows the form."""
    with pytest.raises(ValueError, match="write a time of day such as '19:00'"):
        clock_hours(wrong)


@pytest.mark.parametrize(
    ("parse", "wrong", "remedy"),
    [
        (number(0, 1), 1.5, "write a number from 0 to 1"),
        (number(0, open_low=True), 0, "write a number above 0"),
        (number(0), math.inf, "write a number from 0"),
        (number(0), math.nan, "write a number from 0"),
        (number(0), True, "write a number from 0"),
        (number(0), "1", "write a number from 0"),
        (whole(1, 9), 10, "write a whole number from 1 to 9"),
        (whole(1), 1.0, "write a whole number from 1"),
        (whole(0), False, "write a whole number from 0"),
        (text, "  ", "write some text in quotes"),
        (text, 5, "write some text in quotes"),
        (prose, 5, "write some text in quotes, or leave this key out"),
        (flag, 1, "write true or false"),
        (one_of("a", "b"), "c", "write one of a, b"),
        (one_of("a", "b"), ["a"], "write one of a, b"),
    ],
)
def test_a_value_that_does_not_fit_is_answered_with_what_does(
    parse: Any, wrong: object, remedy: str
) -> None:
    """Bounds and words, in the remedy."""
    reader = Reader({"key": wrong}, "table")
    assert reader.take("key", parse) is None
    assert [(f.key, f.value, f.remedy) for f in reader.faults] == [
        ("table.key", pytest.approx(wrong, nan_ok=True) if wrong != [] else wrong, remedy)
    ]


def test_a_key_without_a_default_must_be_there() -> None:
    """It is named, with what its parser would take."""
    reader = Reader({})
    assert reader.take("name", text) is None
    assert reader.take("schema", one_of("surge/scenario/1")) is None
    assert reader.take("any", str) is None
    assert [str(fault) for fault in reader.faults] == [
        "name = None: this key is missing; write some text in quotes",
        'schema = None: this key is missing; write "surge/scenario/1"',
        "any = None: this key is missing; add it",
    ]


def test_an_unknown_key_suggests_the_nearest_known_one() -> None:
    """And lists the known ones where none is near."""
    reader = Reader({"tiemout_s": 5, "zzz": 1})
    reader.take("timeout_s", number(), 1.0)
    reader.done()
    assert [(f.key, f.remedy) for f in reader.faults] == [
        ("tiemout_s", "unknown key; did you mean `timeout_s`?"),
        ("zzz", "unknown key; known: timeout_s"),
    ]


def test_faults_of_nested_tables_carry_their_path() -> None:
    """a.b for a table, c[1].d for the second of an array of tables."""
    reader = Reader({"a": {"b": "x"}, "c": [{"d": 1}, {"d": "y"}], "e": 5, "f": 5})
    reader.child("a").take("b", number())
    for child in reader.children("c"):
        child.take("d", number())
    reader.child("e")
    reader.children("f")
    assert [f.key for f in reader.faults] == ["a.b", "c[1].d", "e", "f"]
    assert "write a table: [e]" in str(reader.faults[2])
    assert "write an array of tables: [[f]]" in str(reader.faults[3])


def test_what_was_taken_is_gathered_with_the_defaults_of_what_was_not_written() -> None:
    """As written, so that it can be read again: '19:00' stays '19:00'."""
    reader = Reader({"opens": "19:00", "a": {"x": 1}})
    reader.take("opens", clock_hours, 0.0, written="00:00")
    reader.take("closes", clock_hours, 0.0, written="00:00")
    reader.child("a").take("y", number(), 2.0)
    reader.children("parts")
    assert reader.filled == {"opens": "19:00", "closes": "00:00", "a": {"y": 2.0}, "parts": []}

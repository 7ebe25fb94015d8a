"""TOML text: what is written reads back the same."""

import datetime as dt
import math
import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workload.toml_text import toml_text

scalars = st.one_of(
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(st.characters(exclude_categories=["Cs"])),
)
keys = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
values = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(keys, inner, max_size=4)),
    max_leaves=20,
)


@given(st.dictionaries(keys, values, max_size=5))
def test_any_table_reads_back_the_same(table: dict[str, Any]) -> None:
    """Whatever its keys and texts are, delete characters and quotes among them."""
    assert tomllib.loads(toml_text(table)) == table


def test_tables_are_written_under_headers_as_people_do() -> None:
    """Values first, then tables, then arrays of tables."""
    table = {"name": "x", "steps": [{"name": "a", "pause": {"mean_s": 3}}], "people": {"a b": 0.5}}
    assert toml_text(table) == (
        'name = "x"\n\n[[steps]]\nname = "a"\n\n[steps.pause]\nmean_s = 3\n\n'
        '[people]\n"a b" = 0.5\n'
    )


@pytest.mark.parametrize("value", [None, math.nan, math.inf, dt.date(2020, 4, 11), {1, 2}])
def test_what_a_scenario_can_not_hold_is_refused(value: object) -> None:
    """Never written as something else."""
    with pytest.raises(ValueError, match="can't be written as TOML"):
        toml_text({"key": value})

"""Errors: a small tree, whose messages name field, value and remedy."""

import pytest

from workload.errors import (
    Fault,
    InputError,
    InvalidRunError,
    RecordError,
    ScenarioError,
    SurgeError,
)


def test_every_fault_stands_in_the_message() -> None:
    """One line each, under the subject and their count."""
    error = InputError("scenario x", [Fault("seed", "x", "write a number"), Fault("a.b", 1, "no")])
    assert str(error) == "scenario x: 2 faults\n  seed = 'x': write a number\n  a.b = 1: no"
    assert str(InputError("y", error.faults[:1])).startswith("y: 1 fault\n")
    assert error.faults[1].key == "a.b"


@pytest.mark.parametrize("kind", [ScenarioError, RecordError])
def test_bad_input_is_one_branch_of_the_tree(kind: type[InputError]) -> None:
    """So that a command line catches it in one place: exit 2."""
    assert issubclass(kind, InputError)
    assert issubclass(InputError, SurgeError)


def test_an_invalid_run_is_another() -> None:
    """Exit 3: the input was fine, the run says nothing."""
    assert issubclass(InvalidRunError, SurgeError)
    assert not issubclass(InvalidRunError, InputError)

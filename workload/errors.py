"""What can be wrong with what people gave us.

SurgeError                 base; never raised itself
 +- InputError             exit 2: a field, its value, the remedy
 |   +- ScenarioError      all faults of a scenario at once
 |   +- RecordError        a run directory or model file that can't be read
 +- InvalidRunError             exit 3: the run says nothing, whatever its latencies were
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


class SurgeError(Exception):
    """Base of every error that a person can cause."""


@dataclass(frozen=True)
class Fault:
    """One thing wrong in an input: where, what was found, what to write instead."""

    key: str
    value: object
    remedy: str

    def __str__(self) -> str:
        return f"{self.key} = {self.value!r}: {self.remedy}"


class InputError(SurgeError):
    """Bad input. ``faults`` holds every one that was found."""

    def __init__(self, subject: str, faults: Sequence[Fault]) -> None:
        self.subject = subject
        self.faults = tuple(faults)
        lines = "\n".join(f"  {fault}" for fault in self.faults)
        count = f"{len(self.faults)} fault{'s' if len(self.faults) != 1 else ''}"
        super().__init__(f"{subject}: {count}\n{lines}")

    def __reduce__(self) -> tuple[type[InputError], tuple[str, tuple[Fault, ...]]]:
        """It comes home from another process as it was made, not by its message."""
        return type(self), (self.subject, self.faults)


class ScenarioError(InputError):
    """A scenario that can't be used."""


class RecordError(InputError):
    """A record (run directory, history, model) that is damaged, cut short or of another schema."""


class InvalidRunError(SurgeError):
    """The schedule was not kept, a worker was lost or the target was never healthy."""

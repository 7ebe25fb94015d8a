"""What can go wrong at the door, by exit code.

HarnessError
├── BadInput    2  bad input or usage: the message names field, value and remedy
└── RunInvalid  3  the run says nothing: schedule not kept, worker lost, target never healthy
"""


class HarnessError(Exception):
    """Told to the user as one message on stderr, without a traceback."""

    exit_code = 2


class BadInput(HarnessError):  # noqa: N818 - it names what happened, as its exit code does
    """Bad input or usage."""


class RunInvalid(HarnessError):  # noqa: N818 - it names what happened, as its exit code does
    """What ran can't be judged."""

    exit_code = 3

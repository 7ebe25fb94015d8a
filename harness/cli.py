"""The command line: `surge VERB …`. It knows the verbs by name; each lives in harness/verbs/.

People read stderr, programs read stdout: with --json a verb prints exactly one JSON object there.
"""

import argparse
import importlib
import sys
from collections.abc import Sequence

from harness.errors import HarnessError
from workload.errors import InputError, InvalidRunError

VERBS = (
    "demo",
    "serve",
    "load",
    "smoke",
    "calibrate",
    "simulate",
    "knee",
    "plan",
    "cliff",
    "verify",
    "backtest",
    "audit",
    "compare",
    "report",
    "bench",
    "scenario",
    "doctor",
    "test",
)

EPILOG = """\
begin with:
  surge demo             the whole loop, in under five minutes
  surge scenario list    what can be asked
  surge VERB --help      the options of a verb, with an example

exit codes:
  0    objectives met
  1    an objective missed
  2    bad input or usage
  3    run invalid (schedule not kept, worker lost, target never healthy),
       or an objective that stays unknown
  4    regression against the baseline
  130  interrupted
"""


class Help(argparse.RawDescriptionHelpFormatter):
    """argparse forgets that verbs are indented when it decides where their help begins."""

    def add_argument(self, action: argparse.Action) -> None:
        super().add_argument(action)
        self._action_max_length = max(self._action_max_length, 16)


def build_parser(verbs: Sequence[str] = VERBS) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="surge",
        description="Walk the same visitors through a real service and through its model.",
        epilog=EPILOG,
        formatter_class=Help,
    )
    subparsers = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    for verb in verbs:
        importlib.import_module(f"harness.verbs.{verb}").add(subparsers)
    return parser


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Arguments of one verb; one that sets `passes_on` gets there what it does not know."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    # Only a verb that was asked for is imported: the others may be heavy.
    parser = build_parser([given[0]] if given and given[0] in VERBS else VERBS)
    known, unknown = parser.parse_known_args(given)
    if hasattr(known, "passes_on"):
        known.passes_on = unknown
    elif unknown:
        parser.error(f"{known.verb} does not know {' '.join(unknown)}; see surge {known.verb} -h")
    return known


def exit_code_of(error: HarnessError | InputError | InvalidRunError) -> int:
    """What a caller's script learns of an error."""
    if isinstance(error, HarnessError):
        return error.exit_code
    return 2 if isinstance(error, InputError) else 3


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb; the answer is the exit code."""
    parsed = parse(arguments)
    try:
        code: int = importlib.import_module(f"harness.verbs.{parsed.verb}").run(parsed)
    except (HarnessError, InputError, InvalidRunError) as error:
        print(f"surge {parsed.verb}: {error}", file=sys.stderr)
        return exit_code_of(error)
    except KeyboardInterrupt:
        print(f"surge {parsed.verb}: interrupted", file=sys.stderr)
        return 130
    return code

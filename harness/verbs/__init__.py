"""One module for each verb of the command line; harness/cli.py lists them.

A verb module has `add(subparsers)`, which declares it, and `run(arguments) -> exit code`. What is
heavy to import is imported inside `run`, so that `surge --help` stays fast.
"""

import argparse
from typing import TypeAlias

Subparsers: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"  # noqa: SLF001 - argparse gives it no public name


def declare(
    subparsers: Subparsers, name: str, does: str, example: str, *, about: str = ""
) -> argparse.ArgumentParser:
    """A verb's parser: one line for the list of verbs, and an example that can be pasted."""
    return subparsers.add_parser(
        name,
        help=does,
        description=f"{does[0].upper()}{does[1:]}.{' ' if about else ''}{about}",
        epilog=f"example:\n  {example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )

"""The one door: command line, local stack, demo and reports. Knows every room; none knows it."""

from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent

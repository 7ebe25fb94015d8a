"""Twins: stand-ins for the outside world, each its own process with limits that can be set."""

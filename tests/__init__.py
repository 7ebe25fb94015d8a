"""Tests, by room. A package: one of this name that a dependency brings is not taken for it."""

"""The structure of a NIK."""

from __future__ import annotations

import pytest

from target_app.nik import PROVINCES, nik_fault


@pytest.mark.parametrize(
    "nik", ["3273901507990001", "3273905507990001", "1101012902000001", "9203997112991234"]
)
def test_a_possible_nik_has_no_fault(nik: str) -> None:
    assert nik_fault(nik) is None


@pytest.mark.parametrize(
    ("nik", "words"),
    [
        ("327390150799000", "16 digits"),
        ("32739015079900012", "16 digits"),
        ("327390150799000a", "16 digits"),
        ("327390150799000٣", "16 digits"),
        ("2073901507990001", "province"),
        ("3200901507990001", "00"),
        ("3273001507990001", "00"),
        ("3273900007990001", "birth date"),
        ("3273903207990001", "birth date"),
        ("3273907207990001", "birth date"),
        ("3273904007990001", "birth date"),
        ("3273901513990001", "birth date"),
        ("3273903104990001", "birth date"),
        ("3273902902990001", "29 February"),
        ("3273901507990000", "serial"),
    ],
)
def test_an_impossible_nik_is_told_what_is_wrong(nik: str, words: str) -> None:
    fault = nik_fault(nik)
    assert fault is not None
    assert words in fault


def test_there_were_34_provinces_in_2020() -> None:
    assert len(PROVINCES) == 34

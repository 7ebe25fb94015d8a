"""The shape of a NIK, the 16-digit national ID: PPRRSSDDMMYYNNNN, without a check digit."""

from __future__ import annotations

PROVINCES = frozenset(
    f"{code}"
    for code in (*range(11, 20), 21, *range(31, 37), 51, 52, 53, *range(61, 66),
                 *range(71, 77), 81, 82, 91, 92)
)  # fmt: skip
_DAYS = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_WOMEN = 40  # a woman's birth day is written as day + 40


def nik_fault(nik: str) -> str | None:
    """What is wrong with the structure of a NIK, in words; None when nothing is."""
    if len(nik) != 16 or not nik.isascii() or not nik.isdigit():
        return "a NIK has exactly 16 digits"
    if nik[:2] not in PROVINCES:
        return f"no province has the code {nik[:2]}"
    if nik[2:4] == "00" or nik[4:6] == "00":
        return "regency and district are never 00"
    day, month, year = int(nik[6:8]), int(nik[8:10]), int(nik[10:12])
    if day > _WOMEN:
        day -= _WOMEN
    if not 1 <= month <= 12 or not 1 <= day <= _DAYS[month - 1]:
        return f"{nik[6:12]} is no birth date (DDMMYY; women: day + 40)"
    if month == 2 and day == 29 and year % 4:
        return f"year {nik[10:12]} has no 29 February"
    if nik[12:] == "0000":
        return "the serial is never 0000"
    return None

"""What the civil registry knows about a NIK: its structure, and who is in its books.

A NIK is PPRRSSDDMMYYNNNN: province, regency, district; day of birth (women: day + 40), month,
two-digit year; a serial that is never 0000. There is no check digit.
"""

from __future__ import annotations

# The 34 provinces of 2020.
_SUMATRA = (*range(11, 20), 21)
_JAVA = range(31, 37)
_BALI_AND_NUSA_TENGGARA = range(51, 54)
_KALIMANTAN = range(61, 66)
_SULAWESI = range(71, 77)
_MALUKU_AND_PAPUA = (81, 82, 91, 92)
PROVINCES = frozenset(
    str(code)
    for island in (
        _SUMATRA, _JAVA, _BALI_AND_NUSA_TENGGARA, _KALIMANTAN, _SULAWESI, _MALUKU_AND_PAPUA
    )
    for code in island
)  # fmt: skip
# Year 00 is 2000 or 1900; the first was a leap year, so 29 February is possible.
_DAYS = (0, 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


def well_formed(nik: str) -> bool:
    """Whether the NIK could have been issued at all."""
    if len(nik) != 16 or not (nik.isascii() and nik.isdigit()) or nik[:2] not in PROVINCES:
        return False
    day, month, year = int(nik[6:8]), int(nik[8:10]), int(nik[10:12])
    if day > 40:
        day -= 40
    if not 1 <= month <= 12 or not 1 <= day <= _DAYS[month]:
        return False
    if month == 2 and day == 29 and year % 4:
        return False
    return nik[12:] != "0000"


def known(nik: str) -> bool:
    """Whether the twin has this person: the synthetic ones live in districts 90..99.

    No real district has such a number, so no real NIK is ever known here.
    """
    return well_formed(nik) and nik[4] == "9"

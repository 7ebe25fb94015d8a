"""Who comes: synthetic people, each a function of (seed, index) alone. Nobody is real.

A NIK is `PPRRSSDDMMYYNNNN`: province, regency, district; birth day (women: day + 40), month, year;
a serial that is never 0000. Regencies are numbered from 01 and cities from 71, so regencies 40-59
exist in no province and districts 90-99 in no regency: a generated NIK is well formed and can't be
a living person's, mistyped or not. Generated mail goes to a reserved domain.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from workload.draws import MISTYPE, ONE, PERSON, draw, draws, mix, picks, threshold, to_word

#: Province codes used in NIK, the 34 provinces of 2020.
PROVINCES: Final[Mapping[str, str]] = {
    "11": "Aceh",
    "12": "Sumatera Utara",
    "13": "Sumatera Barat",
    "14": "Riau",
    "15": "Jambi",
    "16": "Sumatera Selatan",
    "17": "Bengkulu",
    "18": "Lampung",
    "19": "Kepulauan Bangka Belitung",
    "21": "Kepulauan Riau",
    "31": "DKI Jakarta",
    "32": "Jawa Barat",
    "33": "Jawa Tengah",
    "34": "DI Yogyakarta",
    "35": "Jawa Timur",
    "36": "Banten",
    "51": "Bali",
    "52": "Nusa Tenggara Barat",
    "53": "Nusa Tenggara Timur",
    "61": "Kalimantan Barat",
    "62": "Kalimantan Tengah",
    "63": "Kalimantan Selatan",
    "64": "Kalimantan Timur",
    "65": "Kalimantan Utara",
    "71": "Sulawesi Utara",
    "72": "Sulawesi Tengah",
    "73": "Sulawesi Selatan",
    "74": "Sulawesi Tenggara",
    "75": "Gorontalo",
    "76": "Sulawesi Barat",
    "81": "Maluku",
    "82": "Maluku Utara",
    "91": "Papua",
    "92": "Papua Barat",
}

DEVICES: Final = ("android", "desktop", "iphone", "feature_phone")
DEVICE_SHARES: Final = (0.70, 0.20, 0.07, 0.03)

FIRST_BIRTH: Final = dt.date(1956, 1, 1)
BIRTH_DAYS: Final = 17_500  # up to the end of 2003: everybody is 16 to 64 in April 2020
SERIALS: Final = 9_999
#: Distinct (birth date, sex, serial) triples; a permutation of them keeps every NIK unique.
IDENTITIES: Final = BIRTH_DAYS * 2 * SERIALS
SPREAD: Final = 166_667_173  # coprime to IDENTITIES

GIVEN: Final = (
    "Ayu", "Budi", "Citra", "Dewi", "Eka", "Fajar", "Gita", "Hadi", "Indah", "Joko",
    "Kartika", "Lestari", "Made", "Nur", "Putri", "Rizki", "Sari", "Tono", "Wati", "Yusuf",
)  # fmt: skip
FAMILY: Final = (
    "Pratama", "Saputra", "Wijaya", "Hidayat", "Kusuma", "Santoso", "Lestari",
    "Nugroho", "Permata", "Siregar", "Halim", "Gunawan", "Utama", "Wibowo",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Visitor:
    """One synthetic person. ``nik`` is what they type; ``mistyped`` says it is not their own."""

    index: int
    request_id: str
    email: str
    name: str
    phone: str
    province: str
    nik: str
    family_card: str
    birth_date: dt.date
    address: str
    device: str
    mistyped: bool


@dataclass(frozen=True)
class Population:
    """Shares of provinces (code -> weight), of mistyped NIKs, and the mail domain."""

    provinces: Mapping[str, float]
    mistyped: float = 0.0
    domain: str = "example.com"

    @cached_property
    def codes(self) -> tuple[str, ...]:
        """NIK codes of the provinces that send anybody."""
        return tuple(code for code, weight in self.provinces.items() if weight > 0)

    @cached_property
    def _cumulative(self) -> tuple[int, ...]:
        weights = [self.provinces[code] for code in self.codes]
        total, running, ends = math.fsum(weights), 0.0, []
        for weight in weights:
            running += weight / total
            ends.append(threshold(min(running, 1.0)))
        return (*ends[:-1], ONE)

    def province_of(self, seed: int, index: int) -> str:
        """The NIK code of a visitor's province."""
        return self.codes[picks(self._cumulative, draw(seed, index, 0, 1, PERSON))]

    def provinces_of(self, seed: int, indices: NDArray[np.int64]) -> NDArray[np.int64]:
        """`province_of` for every index of an array, as places in `codes`."""
        chances = draws(seed, indices, 0, 1, PERSON)
        ends = np.asarray(self._cumulative, dtype=np.int64)
        return np.asarray(np.searchsorted(ends, chances, side="right"), dtype=np.int64)

    def is_mistyped(self, seed: int, index: int) -> bool:
        """Whether this visitor gets a digit of the NIK wrong."""
        return draw(seed, index, 0, 0, MISTYPE) < threshold(self.mistyped)

    def visitor(self, seed: int, index: int) -> Visitor:
        """The index-th person of this seed."""
        chance = draw(seed, index, 0, 2, PERSON)
        province = self.province_of(seed, index)
        date, woman, serial = _identity(seed, index)
        place = f"{province}{40 + chance % 20}{90 + chance // 20 % 10}"
        day = date.day + (40 if woman else 0)
        nik = f"{place}{day:02d}{date:%m%y}{serial:04d}"
        mistyped = self.is_mistyped(seed, index)
        name = f"{GIVEN[chance // 200 % len(GIVEN)]} {FAMILY[chance // 4000 % len(FAMILY)]}"
        return Visitor(
            index=index,
            request_id=_request_id(seed, index),
            email=f"v{index}.{seed}@{self.domain}",
            name=name,
            phone=f"+6280{chance % 10**9:09d}",
            province=province,
            nik=_mistype(nik) if mistyped else nik,
            family_card=f"{place}{date:%d%m%y}{(serial + 1) % SERIALS + 1:04d}",
            birth_date=date,
            address=f"Jalan Contoh {1 + chance % 200}, {PROVINCES[province]}",
            device=_device(draw(seed, index, 0, 3, PERSON)),
            mistyped=mistyped,
        )


def _identity(seed: int, index: int) -> tuple[dt.date, bool, int]:
    """(birth date, is a woman, serial): different for the first IDENTITIES indices of a seed."""
    shift = mix(to_word(seed)) % IDENTITIES
    place = (index * SPREAD + shift) % IDENTITIES
    serial, rest = place % SERIALS + 1, place // SERIALS
    return FIRST_BIRTH + dt.timedelta(days=rest // 2), rest % 2 == 1, serial


def birth_days_of(seed: int, indices: NDArray[np.int64]) -> NDArray[np.int64]:
    """Days from FIRST_BIRTH to the birth of every visitor of an array, 0 to BIRTH_DAYS - 1."""
    shift = mix(to_word(seed)) % IDENTITIES
    # Reduced first, so that the product stays below 2**63 whatever the index.
    places = (indices % IDENTITIES * SPREAD + shift) % IDENTITIES
    return np.asarray(places // SERIALS // 2, dtype=np.int64)


def _mistype(nik: str) -> str:
    """One wrong digit: the district's first, so that the number is well formed but unknown."""
    return nik[:4] + "1" + nik[5:]


def _request_id(seed: int, index: int) -> str:
    """A UUID (version 8, RFC 9562) that is a function of (seed, index)."""
    high = mix(to_word(seed) ^ mix(to_word(index)))
    low = mix(high ^ to_word(index))
    text = f"{high:016x}{low:016x}"
    return f"{text[:8]}-{text[8:12]}-8{text[13:16]}-a{text[17:20]}-{text[20:]}"


def _device(chance: int) -> str:
    running = 0.0
    for device, share in zip(DEVICES, DEVICE_SHARES, strict=True):
        running += share
        if chance < threshold(running):
            return device
    return DEVICES[-1]

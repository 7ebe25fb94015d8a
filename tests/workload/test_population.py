"""The people: synthetic, well formed, reserved, and each a function of (seed, index) alone."""

import datetime as dt
import math
import re
import uuid
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chi2

from workload.population import DEVICE_SHARES, DEVICES, IDENTITIES, PROVINCES, Population, Visitor
from workload.scenario import load_scenario

seeds = st.integers(0, 2**63 - 1)
indices = st.integers(0, IDENTITIES - 1)

# Province codes of a NIK, copied by hand so that the code is not its own witness.
CODES = [
    *("11", "12", "13", "14", "15", "16", "17", "18", "19", "21"),
    *("31", "32", "33", "34", "35", "36", "51", "52", "53"),
    *("61", "62", "63", "64", "65", "71", "72", "73", "74", "75", "76"),
    *("81", "82", "91", "92"),
]
# By province, of the 926,790 who joined; the other 25 share 239,220.
NAMED = {
    "Jawa Barat": 233_000,
    "DKI Jakarta": 127_500,
    "Jawa Tengah": 127_300,
    "Jawa Timur": 107_900,
    "Banten": 54_500,
    "Sumatera Utara": 36_600,
    "Maluku Utara": 547,
    "Papua Barat": 223,
    "Papua": 0,
}


def nation() -> Population:
    return load_scenario("prakerja-2020").people


def nik_fault(nik: str) -> str:
    """What is wrong with a NIK, or '': written independently of the generator."""
    found = re.fullmatch(r"(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\d{4})", nik)
    if not found:
        return "not 16 digits"
    province, regency, district, day, month, year, serial = found.groups()
    born_on = int(day) - 40 if int(day) > 40 else int(day)
    try:
        dt.date(1900 + int(year) + (100 if int(year) < 20 else 0), int(month), born_on)
    except ValueError:
        return "no such birth date"
    wrong = province not in CODES or "00" in (regency, district) or serial == "0000"
    return "no such place or serial" if wrong else ""


@given(seeds, indices)
def test_a_nik_is_well_formed_and_says_who_its_visitor_is(seed: int, index: int) -> None:
    """Province, birth date and a woman's day + 40 are the visitor's own."""
    visitor = nation().visitor(seed, index)
    assert nik_fault(visitor.nik) == ""
    assert visitor.nik[:2] == visitor.province
    assert visitor.nik[8:12] == f"{visitor.birth_date:%m%y}"
    assert int(visitor.nik[6:8]) % 40 == visitor.birth_date.day
    assert re.fullmatch(r"\d{16}", visitor.family_card)


@given(seeds, indices)
def test_nobody_living_can_have_a_generated_nik(seed: int, index: int) -> None:
    """No regency is numbered 40 to 59; who did not mistype lives in a district of 90 to 99."""
    visitor = Population({"31": 1.0}, mistyped=0.5).visitor(seed, index)
    assert 40 <= int(visitor.nik[2:4]) <= 59
    assert (visitor.nik[4] == "9") is not visitor.mistyped


@given(seeds, indices)
def test_a_mistyped_nik_is_one_digit_off(seed: int, index: int) -> None:
    """Well formed, yet unknown to the registry; all else about the visitor is unchanged."""
    right = Population({"31": 1.0}).visitor(seed, index)
    wrong = Population({"31": 1.0}, mistyped=1.0).visitor(seed, index)
    assert sum(a != b for a, b in zip(right.nik, wrong.nik, strict=True)) == 1
    assert nik_fault(wrong.nik) == ""
    assert (right.email, right.name, right.birth_date) == (
        wrong.email,
        wrong.name,
        wrong.birth_date,
    )


@given(seeds, indices)
def test_a_visitor_is_a_function_of_seed_and_index_alone(seed: int, index: int) -> None:
    """Asked twice, in any order, the same person; asked with another seed, somebody else."""
    people = nation()
    visitor = people.visitor(seed, index)
    people.visitor(seed + 1, index + 1)
    assert nation().visitor(seed, index) == visitor
    assert nation().visitor(seed + 1, index).request_id != visitor.request_id


@given(seeds, indices)
def test_mail_and_phone_reach_nobody(seed: int, index: int) -> None:
    """A domain reserved by RFC 2606, a prefix of no mobile network."""
    for domain in ("example.com", "example.id.invalid"):
        visitor = Population({"31": 1.0}, domain=domain).visitor(seed, index)
        assert re.fullmatch(rf"[a-z0-9.]{{1,64}}@{re.escape(domain)}", visitor.email)
        assert re.fullmatch(r"\+6280\d{9}", visitor.phone)


@given(seeds, indices)
def test_a_request_id_is_a_uuid_of_version_8(seed: int, index: int) -> None:
    """RFC 9562: version 8 is for what an application makes of its own data."""
    request_id = uuid.UUID(nation().visitor(seed, index).request_id)
    assert (request_id.version, request_id.variant) == (8, uuid.RFC_4122)


@given(seeds, indices)
def test_everybody_is_of_working_age_in_april_2020(seed: int, index: int) -> None:
    """16 to 64 years."""
    born = nation().visitor(seed, index).birth_date
    age = 2020 - born.year - ((born.month, born.day) > (4, 11))
    assert 16 <= age <= 64


def unique(people: list[Visitor]) -> bool:
    keys = ("nik", "email", "request_id")
    return all(len({getattr(p, key) for p in people}) == len(people) for key in keys)


def test_nobody_shares_a_nik_a_mail_address_or_a_request_id() -> None:
    """30,000 people of one seed, mistyped ones among them."""
    people = Population(nation().provinces, mistyped=0.1)
    assert unique([people.visitor(1, index) for index in range(30_000)])


@pytest.mark.slow
def test_a_million_people_share_nothing() -> None:
    """Indices 0 to 999,999 of the scenario's own seed."""
    scenario = load_scenario("prakerja-2020")
    assert unique([scenario.people.visitor(scenario.seed, i) for i in range(1_000_000)])


def test_identities_last_for_more_people_than_indonesia_has() -> None:
    """The step through the identities is coprime to their number, so none comes twice."""
    assert math.gcd(166_667_173, IDENTITIES) == 1
    assert IDENTITIES > 280_000_000


def test_provinces_are_those_of_nik_in_2020() -> None:
    """34, by code."""
    assert list(PROVINCES) == CODES


def test_the_province_mix_is_the_published_one() -> None:
    """Nine provinces as the article names them; the other 25 share the rest evenly (assumed)."""
    total = 926_790
    shares = {PROVINCES[code]: weight for code, weight in nation().provinces.items()}
    other = (total - sum(NAMED.values())) / 25
    assert sum(shares.values()) == pytest.approx(total, rel=1e-9)
    assert {name: shares[name] for name in NAMED} == NAMED
    assert all(shares[name] == pytest.approx(other) for name in shares if name not in NAMED)


def test_people_come_from_the_provinces_in_that_mix() -> None:
    """Chi-square of 100,000 people over the 33 provinces with somebody, central 99.9 %."""
    people, count = nation(), 100_000
    seen = Counter(people.province_of(3, index) for index in range(count))
    total = sum(people.provinces.values())
    expected = {code: count * w / total for code, w in people.provinces.items() if w}
    statistic = sum((seen[code] - mean) ** 2 / mean for code, mean in expected.items())
    assert chi2.ppf(0.0005, 32) < statistic < chi2.ppf(0.9995, 32)
    assert seen["91"] == 0, "the article names Papua with 0"


def test_the_share_that_mistypes_is_the_scenarios() -> None:
    """3 % of 50,000, within 4 standard deviations."""
    people, count = nation(), 50_000
    wrong = sum(people.is_mistyped(3, index) for index in range(count))
    assert abs(wrong - 0.03 * count) < 4 * math.sqrt(0.03 * 0.97 * count)


def test_devices_are_in_their_shares() -> None:
    """20,000 people, each device within 4 standard deviations."""
    people, count = nation(), 20_000
    seen = Counter(people.visitor(3, index).device for index in range(count))
    for device, share in zip(DEVICES, DEVICE_SHARES, strict=True):
        assert abs(seen[device] - share * count) < 4 * math.sqrt(share * (1 - share) * count)

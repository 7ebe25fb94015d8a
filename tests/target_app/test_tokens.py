"""Signed names: what a session and the token of a mail are."""

from __future__ import annotations

import pytest

from target_app.tokens import Signer, new_name


def test_a_signed_name_opens_to_the_name() -> None:
    signer = Signer(b"secret", "session")
    name = new_name()
    assert signer.open(signer.sign(name)) == name


def test_a_proof_for_one_purpose_is_void_for_another() -> None:
    token = Signer(b"secret", "e-mail").sign(new_name())
    assert Signer(b"secret", "session").open(token) is None


def test_a_proof_under_another_secret_is_void() -> None:
    token = Signer(b"secret", "session").sign(new_name())
    assert Signer(b"other", "session").open(token) is None


@pytest.mark.parametrize("harm", ["", "x", ".", "..", "é", "\0"])
def test_a_changed_token_is_void(harm: str) -> None:
    signer = Signer(b"secret", "session")
    token = signer.sign(new_name())
    assert signer.open(token[:-1] + harm) is None


def test_the_proof_of_one_name_does_not_fit_another() -> None:
    signer = Signer(b"secret", "session")
    proof = signer.sign(new_name()).partition(".")[2]
    assert signer.open(f"{new_name()}.{proof}") is None


def test_an_empty_secret_is_refused_with_the_remedy() -> None:
    with pytest.raises(ValueError, match="SURGE_SECRET"):
        Signer(b"", "session")


def test_names_sort_by_the_time_they_were_made() -> None:
    names = [new_name() for _ in range(50)]
    stamps = [name[:13] for name in names]
    assert stamps == sorted(stamps)
    assert len(set(names)) == len(names)
    assert {name[14] for name in names} == {"7"}

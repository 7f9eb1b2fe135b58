"""Tokens of confirmations: D2."""

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.domain.confirmation_tokens import (
    TOKEN_LENGTH,
    make_confirmation_key,
    make_links,
    make_token,
    read_token,
)
from ingest.domain.errors import InvalidValue
from ingest.domain.secrets import derive_key

SECRET, OTHER = "07" * 32, "08" * 32
KEY = make_confirmation_key(SECRET) or b""
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


@pytest.mark.fact("DO.2-token")
@given(st.uuids())
def test_a_token_opens_its_confirmation_in_its_deployment_only(id_: UUID) -> None:
    token = make_token(KEY, id_)

    assert len(token) == TOKEN_LENGTH
    assert read_token(KEY, token) == id_
    assert make_token(KEY, id_) == token
    other = make_confirmation_key(OTHER)
    assert other is not None
    assert read_token(other, token) is None
    # Nor is the secret itself the key, or the key of another use.
    assert read_token(bytes.fromhex(SECRET), token) is None
    assert read_token(derive_key(bytes.fromhex(SECRET), "other"), token) is None


@pytest.mark.fact("DO.2-token")
def test_no_bit_of_a_token_may_differ() -> None:
    told = make_token(KEY, uuid4())
    raw = urlsafe_b64decode(told + "=")
    for bit in range(len(raw) * 8):
        flipped = bytearray(raw)
        flipped[bit // 8] ^= 1 << bit % 8
        assert read_token(KEY, urlsafe_b64encode(flipped).decode().rstrip("=")) is None
    # The last character has two bits that stand for nothing.
    for place, one in ((place, one) for place in range(43) for one in ALPHABET):
        changed = told[:place] + one + told[place + 1 :]
        assert (read_token(KEY, changed) is None) == (changed != told)


@pytest.mark.fact("DO.2-token")
@given(st.text(max_size=60) | st.from_regex(r"[A-Za-z0-9_-]{43}", fullmatch=True))
def test_any_other_text_opens_nothing(text: str) -> None:
    assert read_token(KEY, text) is None


@pytest.mark.fact("DO.2-token")
def test_codes_are_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[tuple[bytes, bytes]] = []
    compare = hmac.compare_digest

    def note(first: bytes, second: bytes) -> bool:
        compared.append((first, second))
        return compare(first, second)

    monkeypatch.setattr("hmac.compare_digest", note)
    token = make_token(KEY, uuid4())
    read_token(KEY, token)
    read_token(KEY, token[:30] + "AAAA" + token[34:])

    # Each is compared whole, in one call, and never by `==` before.
    assert [(len(one), len(other)) for one, other in compared] == [(16, 16)] * 2


def test_links_have_the_public_url_if_there_is_one() -> None:
    id_ = uuid4()
    token = make_token(KEY, id_)
    detail = {"confirmation_id": str(id_), "attempt": 1}
    linked = make_links(SECRET, "https://shop.test/penstock/")
    bare = make_links(SECRET, "")

    assert linked is not None
    assert linked.add(detail) == {
        **detail,
        "token": token,
        "url": f"https://shop.test/penstock/confirm/{token}",
    }
    assert bare is not None
    assert bare.add(detail) == {**detail, "token": token}
    assert make_links("", "https://shop.test") is None
    with pytest.raises(InvalidValue):
        make_links("short", "")

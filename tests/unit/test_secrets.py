"""The secret of a deployment, and the keys that are derived of it."""

import hmac
from base64 import b64encode, urlsafe_b64encode
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.domain.errors import InvalidValue
from ingest.domain.secrets import KEY_RULE, derive_key, parse_secret


@given(st.binary(min_size=32, max_size=100))
def test_a_secret_is_read_in_each_notation(secret: bytes) -> None:
    standard, urls = b64encode(secret).decode(), urlsafe_b64encode(secret).decode()

    assert parse_secret(secret.hex()) == parse_secret(secret.hex().upper()) == secret
    if not set(standard) <= set("0123456789abcdefABCDEF"):
        assert parse_secret(standard) == parse_secret(standard.rstrip("=")) == secret
        assert parse_secret(urls) == parse_secret(urls.rstrip("=")) == secret


@pytest.mark.parametrize(
    "text",
    [
        *("", "00" * 31, b64encode(b"x" * 31).decode(), "0" * 63 + "!", "a" * 45),
        *("ä" * 64, " " + "00" * 32, "00" * 32 + "\n", "=" * 64),
    ],
)
def test_any_other_is_refused_without_showing_it(text: str) -> None:
    with pytest.raises(InvalidValue) as refused:
        parse_secret(text)

    assert str(refused.value) == KEY_RULE


def test_each_use_has_a_key_of_its_own() -> None:
    secret = bytes(range(32))

    assert derive_key(secret, "one") == hmac.digest(secret, b"one", sha256)
    keys = {derive_key(secret, "one"), derive_key(secret, "two")}
    keys |= {derive_key(bytes(32), "one"), secret}
    assert len(keys) == 4

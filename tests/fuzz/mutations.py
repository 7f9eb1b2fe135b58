"""Documents made wrong on purpose: bytes changed, cut, doubled and exchanged."""

from collections.abc import Callable, Sequence
from random import Random

#: What decoders stumble over, in either format.
_TOKENS: Sequence[bytes] = (
    *(b"\0", b"\\u0000", b"\\ud800", b"\xff", b"\xef\xbb\xbf", b"\xff\xfe", b"\r\n"),
    *(b"{", b"}", b"[", b"]", b'"', b":", b",", b"\\", b"{}", b"[]", b'""', b"null"),
    *(b"NaN", b"-Infinity", b"1e999", b"-0", b"9" * 25, b"9" * 5000, b"0.1e-400"),
    *(b"[" * 200, b'{"a":' * 200, b'"data":{}', b'"db_id":-1', b'"action":"incr"'),
    *(b"<", b">", b"</", b"/>", b"<xml>", b"</xml>", b"&", b"&lt;", b"&x;", b"&#0;"),
    *(b"<![CDATA[", b"]]>", b"<!--", b"-->", b"<?p ", b"?>", b" array='true'"),
    *(b"<!DOCTYPE xml [<!ENTITY x 'y'>]>", b"<?xml version='1.0' encoding='utf-16'?>"),
    *(b"%00", b"%ff", b"&a=", b"=&=", b"+", b"%", b"'; DROP TABLE imports; --", b"$1"),
)


def _change(body: bytearray, random: Random) -> None:
    if body:
        body[random.randrange(len(body))] = random.randrange(256)


def _cut(body: bytearray, random: Random) -> None:
    start = random.randrange(len(body) + 1)
    del body[start : start + random.randrange(1, 40)]


def _double(body: bytearray, random: Random) -> None:
    start = random.randrange(len(body) + 1)
    body[start:start] = body[start : start + random.randrange(1, 200)]


def _insert(body: bytearray, random: Random) -> None:
    place = random.randrange(len(body) + 1)
    body[place:place] = random.choice(_TOKENS)


def _truncate(body: bytearray, random: Random) -> None:
    del body[random.randrange(len(body) + 1) :]


_CHANGES: Sequence[Callable[[bytearray, Random], None]] = (
    *(_change, _cut, _double, _truncate),
    # What is known to hurt comes more often.
    *(_insert, _insert, _insert),
)


def mutate(body: bytes, random: Random) -> bytes:
    """Return `body` after up to eight changes."""
    changed = bytearray(body)
    for _ in range(random.randrange(9)):
        random.choice(_CHANGES)(changed, random)
    return bytes(changed)

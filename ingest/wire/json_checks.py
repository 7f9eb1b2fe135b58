"""Checks of JSON bodies beyond the grammar.

Each check first asks the bytes whether it is needed; most bodies need none.
"""

import json
from collections.abc import Iterable

import orjson

from ingest.domain.errors import InvalidRequest
from ingest.wire.limits import Limits

#: Enough digits in a row to be beyond 64 bits, where every digit is a zero.
_LONG_NUMBER = b"0" * 19
_ZEROS = bytes(ord("0") if chr(byte).isdecimal() else ord(" ") for byte in range(256))
_SMALLEST, _LARGEST = -(2**63), 2**64 - 1
#: How much of what a caller sent is told back.
_TOLD = 40


def check_size(text: bytes, limits: Limits) -> None:
    """Refuse more values than `limits` allow, before anything is made of them."""
    # The shortest value with its separator takes two bytes.
    if len(text) <= limits.values:
        return
    if sum(map(text.count, (b",", b"{", b"["))) > limits.values:
        raise InvalidRequest(f"The body has too many values (at most {limits.values})")


def check(text: bytes, document: object, limits: Limits) -> None:
    """Refuse in `document`, read from `text`, what is too large or ambiguous."""
    if text.count(b"{") + text.count(b"[") > limits.depth:
        _check_depth(document, limits.depth)
    names = text.count(b":")
    if names > limits.keys:
        _check_keys(document, limits.keys)
    if b"\\u0000" in text:
        _check_characters(document)
    if _may_repeat(text, document, names) or _LONG_NUMBER in text.translate(_ZEROS):
        _read_strictly(text)


def _may_repeat(text: bytes, document: object, names: int) -> bool:
    """Say whether `text`, with `names` colons, may give a name twice.

    Each name brings a colon, and writing the document again keeps the colons of its
    texts: what is lost on the way was given twice. An escaped colon would be counted
    the second time only.
    """
    return names != orjson.dumps(document).count(b":") or b"\\u003" in text


def _read_strictly(text: bytes) -> None:
    """Read `text` once more, refusing names given twice and integers too large."""
    json.loads(
        text.decode(), object_pairs_hook=_refuse_repeats, parse_int=_refuse_large
    )


def _refuse_repeats(pairs: list[tuple[str, object]]) -> None:
    seen: set[str] = set()
    for name, _ in pairs:
        if name in seen:
            raise InvalidRequest("Duplicate member name", name[:_TOLD])
        seen.add(name)


def _refuse_large(literal: str) -> None:
    # Nothing longer is converted: int() refuses thousands of digits.
    if len(literal) > 20 or not _SMALLEST <= int(literal) <= _LARGEST:
        raise InvalidRequest(f"An integer does not fit in 64 bits: {literal[:_TOLD]}")


def _children(node: object) -> Iterable[object]:
    if isinstance(node, dict):
        return node.values()
    return node if isinstance(node, list) else ()


def _check_depth(document: object, max_depth: int) -> None:
    level = [document]
    for _ in range(max_depth):
        level = [
            child
            for node in level
            for child in _children(node)
            if isinstance(child, dict | list)
        ]
        if not level:
            return
    raise InvalidRequest(f"The body is nested too deeply (at most {max_depth} levels)")


def _check_keys(document: object, max_keys: int) -> None:
    level = [document]
    while level:
        if any(isinstance(node, dict) and len(node) > max_keys for node in level):
            raise InvalidRequest(f"An object has too many members (at most {max_keys})")
        level = [
            child
            for node in level
            for child in _children(node)
            if isinstance(child, dict | list)
        ]


def _check_characters(document: object) -> None:
    waiting = [("", document)]
    while waiting:
        path, node = waiting.pop()
        match node:
            case str() if "\0" in node:
                raise InvalidRequest("Must not contain the NUL character", path)
            case dict():
                if any("\0" in name for name in node):
                    raise InvalidRequest("Must not contain the NUL character", path)
                waiting += [
                    (f"{path}.{name}" if path else name, child)
                    for name, child in node.items()
                ]
            case list():
                waiting += [(f"{path}[{i}]", child) for i, child in enumerate(node)]

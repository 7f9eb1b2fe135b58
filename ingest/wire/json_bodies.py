"""JSON bodies to documents."""

from collections.abc import Iterable

import orjson

from ingest.domain.errors import InvalidRequest

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def _fault(body: bytes, error: orjson.JSONDecodeError) -> InvalidRequest:
    """Name the place in `body` where reading it stopped."""
    text = body.removeprefix(_BYTE_ORDER_MARK)
    reason, at = error.msg, len(error.doc[: error.pos].encode())
    try:
        text.decode()
    except UnicodeDecodeError as malformed:
        # orjson looks at the encoding first, and then gives no place.
        reason, at = "the text is not UTF-8", malformed.start

    line = text.count(b"\n", 0, at) + 1
    column = len(text[text.rfind(b"\n", 0, at) + 1 : at].decode()) + 1
    byte = at + len(body) - len(text)
    return InvalidRequest(
        f"The body is not JSON: {reason} at line {line}, column {column} (byte {byte})"
    )


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
    raise InvalidRequest(f"The body is nested deeper than {max_depth} levels")


def _check_characters(document: object) -> None:
    waiting = [("", document)]
    while waiting:
        path, node = waiting.pop()
        match node:
            case str() if "\0" in node:
                raise InvalidRequest("A NUL character cannot be stored", path)
            case dict():
                if any("\0" in name for name in node):
                    raise InvalidRequest("A NUL character cannot be stored", path)
                waiting += [
                    (f"{path}.{name}" if path else name, child)
                    for name, child in node.items()
                ]
            case list():
                waiting += [(f"{path}[{i}]", child) for i, child in enumerate(node)]


def decode(body: bytes, *, max_depth: int) -> dict[str, object]:
    """Read `body`, an object in UTF-8; raise InvalidRequest naming the place.

    Of duplicate names the last wins. Lone surrogates, NaN and infinities are not
    JSON; NUL is, but Postgres cannot hold it. An integer beyond 64 bits arrives as
    a float, for the field that gets it to refuse.
    """
    try:
        document: object = orjson.loads(body.removeprefix(_BYTE_ORDER_MARK))
    except orjson.JSONDecodeError as error:
        raise _fault(body, error) from error
    if not isinstance(document, dict):
        raise InvalidRequest("The body is not an object")

    # Both walks are rare: bytes tell that most bodies need neither.
    if body.count(b"{") + body.count(b"[") > max_depth:
        _check_depth(document, max_depth)
    if b"\\u0000" in body:
        _check_characters(document)
    return document

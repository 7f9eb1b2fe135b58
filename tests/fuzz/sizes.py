"""Documents near a limit, on it and over it: one for each limit of the decoders."""

from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import Any

import orjson

from ingest.domain.limits import DEFAULT_LIMITS
from ingest.wire.limits import DEFAULT_LIMITS as BODY_LIMITS

#: Elements of a batch that the fuzzed door takes, at most.
BATCH_ELEMENTS = 100
#: How far from its limit a size is.
_STEPS = (-1, 0, 1)


def _nest(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


def _push(number: int) -> dict[str, Any]:
    contact = {"provider": "web", "subscription_id": f"s{number}"}
    return {"channel": "push", "resource_id": 1, **contact}


def _fill(count: int) -> list[str]:
    """Return texts that come to about `count` bytes, none of them too long."""
    piece = DEFAULT_LIMITS.text_bytes // 2
    return ["x" * min(piece, count - start) for start in range(0, count, piece)]


#: By the limit's name: its value, and `data` of that size.
SIZES: Mapping[str, tuple[int, Callable[[int], Any]]] = {
    "text_bytes": (DEFAULT_LIMITS.text_bytes, lambda count: {"note": "x" * count}),
    "key_length": (
        DEFAULT_LIMITS.key_length,
        lambda count: {"tier": "x" * count, "interests": ["y" * count]},
    ),
    "phones": (
        DEFAULT_LIMITS.phones,
        lambda count: {"phones": [f"+4477009{each:05}" for each in range(count)]},
    ),
    "tags": (
        DEFAULT_LIMITS.tags,
        lambda count: {"interests": [str(each) for each in range(count)]},
    ),
    "subscriptions": (
        DEFAULT_LIMITS.subscriptions,
        lambda count: {"subscriptions": [_push(each) for each in range(count)]},
    ),
    "profile_bytes": (
        DEFAULT_LIMITS.profile_bytes,
        lambda count: {"orders": _fill(count)},
    ),
    "profile_keys": (
        DEFAULT_LIMITS.profile_keys,
        lambda count: {
            "interests": [str(each) for each in range(DEFAULT_LIMITS.tags)],
            "topics": [str(each) for each in range(count - DEFAULT_LIMITS.tags)],
        },
    ),
    "depth": (BODY_LIMITS.depth, lambda count: {"address": _nest(count - 2)}),
    "keys": (
        BODY_LIMITS.keys,
        lambda count: {"address": {str(each): 1 for each in range(count)}},
    ),
    "values": (BODY_LIMITS.values, lambda count: {"orders": [0] * count}),
}


def make_document(name: str, size: int) -> bytes:
    """Return an import, as its body, whose size of that name is `size`."""
    _, make = SIZES[name]
    body = {"db_id": 1, "token": "t", "matching": "email", "email": "a@example.com"}
    return orjson.dumps({**body, "data": make(size)})


def make_xml(name: str, size: int) -> bytes:
    """Return the same in XML, as far as it is a text in many places or one."""
    data = f"<note>{'x' * size}</note>"
    if name == "keys":
        data = "".join(f"<f{each}>1</f{each}>" for each in range(size))
    elif name == "depth":
        data = f"{'<a>' * size}1{'</a>' * size}"
    elif name == "values":
        data = "<a>1</a>" * size
    email = "<email>a@example.com</email>"
    return f"<xml><db_id>1</db_id>{email}<data>{data}</data></xml>".encode()


def make_batch(size: int) -> bytes:
    """Return a batch of so many elements."""
    rows = [{"email": f"a{each}@example.com"} for each in range(size)]
    return orjson.dumps({"db_id": 1, "data": rows})


def make_form(size: int) -> bytes:
    """Return a quick import of so many fields."""
    return b"token=t&db_id=1&" + b"&".join(b"f%d=1" % each for each in range(size))


def make_sizes(random: Random) -> Sequence[bytes]:
    """Return documents around each limit, and one of any size that is far over it."""
    made: list[bytes] = []
    for name, (limit, _) in SIZES.items():
        sizes = [limit + step for step in _STEPS]
        if name not in ("values", "profile_bytes"):
            sizes.append(random.randrange(limit, limit * 3))
        made += [make_document(name, size) for size in sizes]
    for name in ("text_bytes", "keys", "depth"):
        limit, _ = SIZES[name]
        made += [make_xml(name, limit + step) for step in _STEPS]
    made += [make_batch(BATCH_ELEMENTS + step) for step in _STEPS]
    made += [make_form(BODY_LIMITS.keys + step) for step in _STEPS]
    return made

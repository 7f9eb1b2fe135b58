"""Imports that are large, up to the limits of contract 16.14, and just beyond them."""

from collections.abc import Callable, Mapping
from random import Random
from typing import Any

from ingest.domain.limits import DEFAULT_LIMITS
from ingest.wire.limits import DEFAULT_LIMITS as BODY_LIMITS

#: Large imports come to this together, tags included, and so stay below the limit.
LARGEST = DEFAULT_LIMITS.profile_bytes - 64 * 1024
_PIECE = DEFAULT_LIMITS.text_bytes - 1024
_LIMITS = DEFAULT_LIMITS


def choose_size(random: Random) -> int:
    """Return a size from a thousand to the largest, the small ones more often."""
    return int(1000 * (LARGEST / 1000) ** random.random())


def make_large(ref: str, size: int) -> dict[str, Any]:
    """Return values of `size` letters, and tags that the profile is found by."""
    random = Random(ref)
    pieces = [min(_PIECE, size - start) for start in range(0, size, _PIECE)]
    tags = random.randrange(1, _LIMITS.tags + 1)
    return {
        # Letters that do not pack to nothing.
        "orders": [
            {"ref": ref, "text": random.randbytes(piece // 2 + 1).hex()[:piece]}
            for piece in pieces
        ],
        "interests": [f"{ref}-{number}" for number in range(tags)],
    }


def measure_large(orders: object) -> tuple[str | None, int]:
    """Return which import `orders` are from, and how many letters they have."""
    if not isinstance(orders, list) or not orders:
        return None, 0
    refs = {order["ref"] for order in orders}
    ref = refs.pop() if len(refs) == 1 else None
    return ref, sum(len(order["text"]) for order in orders)


def _nest(depth: int) -> object:
    return [_nest(depth - 1)] if depth else 1


def _subscribe(number: int) -> dict[str, Any]:
    contact = {"provider": "web", "subscription_id": f"beyond-{number}"}
    return {"channel": "push", "resource_id": 1, **contact}


#: Data of an import, each one more than a limit allows.
BEYOND: Mapping[str, Callable[[], dict[str, Any]]] = {
    "text": lambda: {"orders": [{"a": "x" * (_LIMITS.text_bytes + 1)}]},
    "tag": lambda: {"interests": ["x" * (_LIMITS.key_length + 1)]},
    "tags": lambda: {"interests": [str(each) for each in range(_LIMITS.tags + 1)]},
    "phones": lambda: {
        "phones": [f"+4477009{each:05}" for each in range(_LIMITS.phones + 1)]
    },
    "subscriptions": lambda: {
        "subscriptions": [_subscribe(each) for each in range(_LIMITS.subscriptions + 1)]
    },
    "profile": lambda: {
        "orders": [{"a": "x" * _PIECE}] * (_LIMITS.profile_bytes // _PIECE + 1)
    },
    "members": lambda: {
        "address": {str(each): 1 for each in range(BODY_LIMITS.keys + 1)}
    },
    "depth": lambda: {"address": {"a": _nest(BODY_LIMITS.depth)}},
    "values": lambda: {"address": {"a": [0] * (BODY_LIMITS.values + 1)}},
}

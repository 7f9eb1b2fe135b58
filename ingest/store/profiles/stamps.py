"""Stamps as they are stored: `{"d": stamp, "f": {path: stamp}}`.

A stamp is an array: rank, moment, and what it has of last, first, and total.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from ingest.domain.profiles import Stamp, Stamps

_MEMBERS = ("rank", "at", "last", "first", "total")


def dump_stamps(stamps: Stamps) -> dict[str, object]:
    """Return the document to store."""
    document: dict[str, object] = {}
    if stamps.default is not None:
        document["d"] = _dump(stamps.default)
    if stamps.paths:
        document["f"] = {path: _dump(one) for path, one in stamps.paths.items()}
    return document


def load_stamps(document: Mapping[str, Any]) -> Stamps:
    """Return the stamps of a stored document."""
    default = document.get("d")
    return Stamps(
        default=_load(default) if default else None,
        paths={path: _load(one) for path, one in document.get("f", {}).items()},
    )


def _dump(stamp: Stamp) -> list[int | float]:
    members = (getattr(stamp, name) for name in _MEMBERS)
    return [one for one in members if one is not None]


def _load(members: Sequence[Any]) -> Stamp:
    return Stamp(**dict(zip(_MEMBERS, members, strict=False)))

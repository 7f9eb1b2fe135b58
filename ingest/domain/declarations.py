"""Parameters of an import, as `Order` declares them, for everything made of them.

Loading with all faults, what elements, rows, and forms may say, options of `penstock
import`, and the API document follow from these, so a parameter is declared once.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import reduce
from operator import or_
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from msgspec import Struct
from msgspec.structs import FieldInfo, fields

from ingest.domain.imports import Key, Level, Order


@dataclass(frozen=True, slots=True, kw_only=True)
class Declared:
    """One parameter."""

    #: As producers send it.
    name: str
    #: The member of `Order` or `Key` that holds it.
    member: str
    #: The type of its values, without None.
    kind: Any
    #: A phrase without a period.
    meaning: str
    levels: Level
    #: Of a command line.
    option: str


def list_declared(record: type[Struct]) -> Iterator[Declared]:
    """Yield the parameters that `record` declares, and those of the key in it."""
    for member in fields(record):
        if member.type is Key:
            yield from list_declared(Key)
        elif get_origin(member.type) is Annotated:
            yield _read(member)


def _read(member: FieldInfo) -> Declared:
    kind, meta = get_args(member.type)
    extra = meta.extra
    name = extra["name"] or member.name
    return Declared(
        name=name,
        member=member.name,
        kind=_without_none(kind),
        meaning=meta.description,
        levels=extra["levels"],
        option=extra["option"] or f"--{name.replace('_', '-')}",
    )


def _without_none(kind: Any) -> Any:
    if get_origin(kind) not in (Union, UnionType):
        return kind
    return reduce(or_, (one for one in get_args(kind) if one is not NoneType))


#: In the order in which faults are listed and options are shown.
PARAMETERS = tuple(list_declared(Order))
#: The names of what may be a matching key.
KEY_PARTS = frozenset(member.name for member in fields(Key))


def list_names(level: Level) -> tuple[str, ...]:
    """Return the names of the parameters that may be sent at `level`, in order."""
    return tuple(one.name for one in PARAMETERS if level in one.levels)


def is_list(parameter: Declared) -> bool:
    """Say whether a parameter takes several values."""
    return get_origin(parameter.kind) is tuple

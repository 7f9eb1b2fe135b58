"""Rules for the suppression lists of a catalog file, and for those who name them."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ingest.domain.errors import Fault

_Tables = Mapping[str, Sequence[Mapping[str, Any]]]


def find_suppression_faults(tables: _Tables) -> Iterator[Fault]:
    """Find every broken rule of suppression lists (L3, L5, L6).

    A list is of one account, and so are the databases and resources that it is for.
    """
    for index, one in enumerate(tables["suppressions"]):
        path = f"suppressions[{index}]"
        yield from _find_unknown(f"{path}.account", one, "account_id", tables)
        for place, resource_id in enumerate(one.get("resource_ids", ())):
            here = f"{path}.resources[{place}]"
            named = {**one, "resource_id": resource_id}
            yield from _find_unknown(here, named, "resource_id", tables)
            yield from _find_stranger(here, named, "resource_id", tables)
    for section, key, name in _NAMED:
        for index, one in enumerate(tables[section]):
            path = f"{section}[{index}].{name}"
            yield from _find_unknown(path, one, key, tables)
            yield from _find_stranger(path, one, key, tables)
    for index, one in enumerate(tables["resources"]):
        yield from _find_half(f"resources[{index}]", one)


#: Who names a list: the section, the attribute, and what the file calls it.
_NAMED = (
    ("databases", "forget_list_id", "forget"),
    ("resources", "suppress_list_id", "suppress_list"),
)
_SECTIONS = {
    "account_id": "accounts",
    "resource_id": "resources",
    "forget_list_id": "suppressions",
    "suppress_list_id": "suppressions",
}


def _find(
    one: Mapping[str, Any], key: str, tables: _Tables
) -> Mapping[str, Any] | None:
    known = tables[_SECTIONS[key]]
    return next((each for each in known if each.get("id") == one.get(key)), None)


def _find_unknown(
    path: str, one: Mapping[str, Any], key: str, tables: _Tables
) -> Iterator[Fault]:
    value = one.get(key)
    if value is not None and _find(one, key, tables) is None:
        yield Fault(code=400, message=f"{value} is not declared.", path=path)


def _find_stranger(
    path: str, one: Mapping[str, Any], key: str, tables: _Tables
) -> Iterator[Fault]:
    """Refuse what belongs to another account."""
    other = _find(one, key, tables) if one.get(key) is not None else None
    owners = {one.get("account_id"), (other or one).get("account_id")}
    if None not in owners and len(owners) > 1:
        yield Fault(code=400, message="Must belong to the same account.", path=path)


def _find_half(path: str, one: Mapping[str, Any]) -> Iterator[Fault]:
    """Refuse statuses without a list, and a list without statuses."""
    statuses, list_id = one.get("suppress_on"), one.get("suppress_list_id")
    if statuses and list_id is None:
        message = "suppress_on needs suppress_list."
        yield Fault(code=400, message=message, path=f"{path}.suppress_on")
    if list_id is not None and not statuses:
        message = "suppress_list needs suppress_on."
        yield Fault(code=400, message=message, path=f"{path}.suppress_list")

"""Bases of statuses, as producers send them (C5)."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from ingest.domain import values
from ingest.domain.consent import NAMES, Basis
from ingest.domain.dates import parse_moment
from ingest.domain.errors import Fault, InvalidRequest, InvalidValue
from ingest.domain.names import one_of

#: How far the clocks of senders may be ahead of ours.
_AHEAD = timedelta(minutes=5)


def _read_text(most: int) -> Callable[[object], str]:
    def read(raw: object) -> str:
        text = values.scalar_text(raw).strip()
        if len(text) > most:
            raise InvalidValue(f"At most {most:,} characters are allowed")
        return text

    return read


_READERS: Mapping[str, Callable[[object], object]] = {
    "raise": values.parse_bool,
    "source": _read_text(200),
    "time": parse_moment,
    "date": parse_moment,
    "ip": values.parse_ip,
    "url": _read_text(2000),
    "text": _read_text(1000),
    "version": _read_text(100),
    "confirmed": values.parse_bool,
}


def parse_basis(raw: object) -> Basis:
    """Read `consent`; raise InvalidRequest with every fault, each with its name.

    Of an unknown name nobody knows whether it was to guard something (16.13).
    """
    if not isinstance(raw, Mapping):
        raise InvalidRequest("Must be an object")
    sent, faults = _read(raw, _READERS)
    faults += [
        Fault(code=400, message=f"Unknown parameter{one_of(NAMES)}", path=str(name))
        for name in raw
        if name not in _READERS
    ]
    if not sent.get("source") and not any(one.path == "source" for one in faults):
        faults.append(Fault(code=400, message="Missing parameter", path="source"))
    if faults:
        raise InvalidRequest(faults)
    return Basis(raises=sent.pop("raise", False), **sent)


def parse_registration(raw: Mapping[str, object]) -> Basis | None:
    """Read what `subscriptions/set` says of a registration; None for nothing (C5).

    Raises InvalidRequest with every fault.
    """
    readers = {name: _READERS[name] for name in ("ip", "url", "date")}
    sent, faults = _read({name: raw.get(name) for name in readers}, readers)
    if faults:
        raise InvalidRequest(faults)
    return Basis(**sent) if sent else None


def _read(
    raw: Mapping[str, object], readers: Mapping[str, Callable[[object], object]]
) -> tuple[dict[str, Any], list[Fault]]:
    sent: dict[str, Any] = {}
    faults: list[Fault] = []
    for name, read in readers.items():
        value = raw.get(name)
        if value is None or value == "":
            continue
        try:
            sent[name] = read(value)
        except InvalidValue as error:
            faults.append(Fault(code=400, message=str(error), path=name))
    return sent, faults


def find_ahead(basis: Basis, accepted_at: datetime) -> str:
    """Return what is wrong with the time of a basis; empty for nothing."""
    if basis.time is None or basis.time <= accepted_at + _AHEAD:
        return ""
    return "In the future (at most 5 minutes ahead)"

"""Ids of entries: the milliseconds at which Redis took an entry, and a number."""

from datetime import UTC, datetime


def entry_order(id_: str) -> tuple[int, int]:
    """Return what sorts entries of a stream by their ids."""
    milliseconds, _, sequence = id_.partition("-")
    return int(milliseconds), int(sequence)


def entry_time(id_: str) -> datetime:
    """Return when Redis took an entry, by its own clock."""
    return datetime.fromtimestamp(entry_order(id_)[0] / 1000, UTC)

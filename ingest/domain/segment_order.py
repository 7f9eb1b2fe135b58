"""The order in which segments that name each other are evaluated (S8)."""

from collections.abc import Collection, Iterator, Mapping
from graphlib import CycleError, TopologicalSorter


def order_segments(named: Mapping[int, Collection[int]]) -> list[int]:
    """Return segments so that each comes after those that it names.

    `named` are the segments that each names. Raises CycleError for a ring.
    """
    return list(TopologicalSorter(named).static_order())


def find_rings(named: Mapping[int, Collection[int]]) -> Iterator[list[int]]:
    """Return each ring of segments that name each other, closed: 5, 7, 5."""
    left = {id_: set(others) for id_, others in named.items()}
    while left:
        try:
            order_segments(left)
        except CycleError as error:
            ring = _turn(error.args[1])
            yield ring
            left = {
                id_: others.difference(ring)
                for id_, others in left.items()
                if id_ not in ring
            }
        else:
            return


def _turn(cycle: list[int]) -> list[int]:
    """Return a cycle from its lowest segment on, each before one that it names."""
    ring = cycle[:0:-1]
    start = ring.index(min(ring))
    return [*ring[start:], *ring[:start], ring[start]]


def list_dependents(
    named: Mapping[int, Collection[int]], changed: Collection[int]
) -> set[int]:
    """Return the segments that name one of `changed`, or that name such a segment."""
    found: set[int] = set()
    added = set(changed)
    while added:
        added = {
            id_ for id_, others in named.items() if not added.isdisjoint(others)
        } - found
        found |= added
    return found

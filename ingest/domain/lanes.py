"""Lanes: what somebody waits for goes before what nobody does.

An import of the *live* lane may be applied before entries of the *bulk* lane that were
accepted before it, but never before one of its own key: imports of one key are applied
in the order accepted, whatever their lanes.
"""

from enum import StrEnum


class Lane(StrEnum):
    """The lanes of imports."""

    LIVE = "live"
    BULK = "bulk"

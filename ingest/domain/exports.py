"""Exports: profiles as lines that an import takes back as they are (E3)."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from enum import StrEnum

from msgspec import Struct, to_builtins
from msgspec.structs import replace

from ingest.domain.consent_history import dump_statuses
from ingest.domain.profiles import Profile
from ingest.domain.stamps import dump_stamps
from ingest.domain.updates import express
from ingest.domain.views import view_profile, view_subscription

#: Profiles of one page.
PAGE = 1000
#: Where a line says what is no import: how an export ends, what is wrong with a reject.
OWN_MEMBER = "penstock"


class ExportFormat(StrEnum):
    """Format of an export (E1, E4)."""

    #: Each a line that an import takes back as it is.
    NDJSON = "ndjson"
    #: Fields only.
    CSV = "csv"


class ExportRequest(Struct, frozen=True, kw_only=True):
    """The profiles to export, and what of them."""

    database_id: int
    #: Only members of this segment; None for all.
    segment_id: int | None = None
    #: Only those that changed at this moment or later.
    updated_since: datetime | None = None
    #: Only these, or those that they were merged into; empty for all.
    ids: tuple[str, ...] = ()
    #: Only those after this id; empty for all.
    after: str = ""
    #: Only these members of their data; empty for all.
    fields: tuple[str, ...] = ()
    format: ExportFormat = ExportFormat.NDJSON
    #: What separates the cells of CSV: one that an import finds by itself (E4).
    delimiter: str = ","


def show_profile(
    profile: Profile, fields: Collection[str], former_ids: Sequence[str] = ()
) -> Mapping[str, object]:
    """Return a profile as the element of a batch: importing it changes nothing.

    Deleted subscriptions stand apart, for an import would restore them, and so do the
    ids and keys of profiles that were merged into it, when values were written, and
    what is known of statuses.
    """
    live = {key: one for key, one in profile.subscriptions.items() if not one.deleted}
    gone = [one for one in profile.subscriptions.values() if one.deleted]
    data = view_profile(replace(profile, subscriptions=live))
    data = {
        name: express(value)
        for name, value in data.items()
        if not fields or name in fields
    }
    line: dict[str, object] = {
        "matching": "profile_id",
        "profile_id": profile.id,
        "data": data,
    }
    if profile.segments:
        line["add_to_segments"] = sorted(profile.segments)
    if fields:
        return line
    # Only a restore reads these.
    if gone:
        shown = [to_builtins(view_subscription(profile, one)) for one in gone]
        line["deleted_subscriptions"] = shown
    if former_ids:
        line["former_ids"] = former_ids
    if profile.former_keys:
        line["former_keys"] = profile.former_keys
    if profile.stamps is not None:
        line["stamps"] = dump_stamps(profile.stamps)
    if statuses := dump_statuses(profile):
        line["statuses"] = statuses
    return line


def show_end(profiles: int, snapshot_at: datetime) -> Mapping[str, object]:
    """Return the last line, by which a download that was cut is told from a whole one.

    Imports pass it over.
    """
    end = {"end": True, "profiles": profiles, "snapshot_at": snapshot_at}
    return {OWN_MEMBER: end}

"""Dry runs as an intake asks for them, and as a worker answers."""

from datetime import datetime
from uuid import UUID

import msgspec
from msgspec import Struct

from ingest.domain.errors import Fault
from ingest.domain.imports import Kept, Outcome
from ingest.domain.releases import Decision


class HeldDecision(Struct, frozen=True, kw_only=True):
    """The held imports that are to be decided, and how."""

    #: All of this case; or those listed, of whatever case.
    case_id: UUID | None = None
    import_ids: list[UUID] = []
    decision: Decision
    dry_run: bool = False
    #: Of a dry run, the merge that comes first, as it would be written to its stream.
    merge: bytes | None = None


class UndoPreview(Struct, frozen=True, kw_only=True):
    """Imports whose undo is to be previewed: of a job, of a list, or of a time."""

    database_id: int
    job_id: UUID | None = None
    import_ids: list[UUID] = []
    since: datetime | None = None
    until: datetime | None = None
    token_id: int | None = None
    reason: str = ""
    restore_consent: bool = False


class NotReversed(Struct, frozen=True, kw_only=True):
    """An import that an undo would not reverse, or not wholly."""

    undoes: UUID
    profile_id: str
    kept: tuple[Kept, ...] = ()
    cannot: tuple[Fault, ...] = ()


class UndoPreviewed(Struct, frozen=True, kw_only=True):
    """The result that the undo of many imports would have: imports by pile (U8)."""

    reversed: int = 0
    partly: int = 0
    kept: int = 0
    cannot: int = 0
    #: Imports that are held, and would be.
    rejected: int = 0
    profiles: int = 0
    #: The first of those that would not be reversed, or not wholly.
    not_reversed: list[NotReversed] = []
    #: There are more imports than can be awaited; nothing was counted.
    is_too_large: bool = False


class DryRunRequest(Struct, frozen=True, kw_only=True):
    """Imports to be tried, held ones to be decided, or an undo to be previewed."""

    #: Each as it would be written to its stream, in the order of the request.
    imports: list[bytes]
    #: Those that the imports belong to, each once.
    partitions: list[int]
    held: HeldDecision | None = None
    undo: UndoPreview | None = None


class DryRunAnswer(Struct, frozen=True, kw_only=True):
    """The outcomes of imports that were tried, or why they could not be."""

    #: One for each import, in their order; none if `failure` tells why.
    outcomes: list[Outcome] = []
    #: Imports that waited in the partitions meanwhile, and were not taken into account.
    behind: int = 0
    failure: str = ""
    #: Of the preview of an undo.
    undo: UndoPreviewed | None = None


dump_request = msgspec.msgpack.Encoder().encode
load_request = msgspec.msgpack.Decoder(DryRunRequest).decode
# JSON, which holds integers of any size, as values of fields may be.
dump_answer = msgspec.json.Encoder().encode
load_answer = msgspec.json.Decoder(DryRunAnswer).decode

"""Dry runs as an intake asks for them, and as a worker answers."""

from uuid import UUID

import msgspec
from msgspec import Struct

from ingest.domain.imports import Outcome
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


class DryRunRequest(Struct, frozen=True, kw_only=True):
    """Imports to be tried, or held ones to be decided."""

    #: Each as it would be written to its stream, in the order of the request.
    imports: list[bytes]
    #: Those that the imports belong to, each once.
    partitions: list[int]
    held: HeldDecision | None = None


class DryRunAnswer(Struct, frozen=True, kw_only=True):
    """The outcomes of imports that were tried, or why they could not be."""

    #: One for each import, in their order; none if `failure` tells why.
    outcomes: list[Outcome] = []
    #: Imports that waited in the partitions meanwhile, and were not taken into account.
    behind: int = 0
    failure: str = ""


dump_request = msgspec.msgpack.Encoder().encode
load_request = msgspec.msgpack.Decoder(DryRunRequest).decode
# JSON, which holds integers of any size, as values of fields may be.
dump_answer = msgspec.json.Encoder().encode
load_answer = msgspec.json.Decoder(DryRunAnswer).decode

"""Rows to imports that may be queued, or to all that is wrong with them."""

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol
from uuid import UUID

from msgspec import to_builtins
from msgspec.structs import replace

from ingest.domain.catalog import Channel
from ingest.domain.errors import Fault, Forbidden, Rejected
from ingest.domain.imports import Import, Matching, OnAmbiguous
from ingest.domain.jobs import FILE_DOOR, row_import_id
from ingest.domain.matching_keys import missing, plain
from ingest.domain.merge import split_optional
from ingest.doors.accept import Accepted, new_ranking, place, ranked
from ingest.doors.files.rows import FileRow
from ingest.wire.batches import load_element
from ingest.wire.envelopes import Envelope, to_import
from ingest.wire.fingerprints import make_fingerprint
from ingest.wire.profile_schemas import ProfileSchemas

#: The path of a value that may be dropped.
_FIELD = re.compile(r"data\.[^.]+")
DOOR = FILE_DOOR


@dataclass(frozen=True, slots=True, kw_only=True)
class RowResult:
    """The result of validating a row."""

    row: FileRow
    #: None if it is rejected.
    accepted: Accepted | None = None
    faults: tuple[Fault, ...] = ()


def _choose_key(envelope: Envelope) -> Envelope:
    """Return the envelope of a row with the mode of the first key that it has (R13).

    Raises InvalidRequest if it has none.
    """
    if envelope.matching is not Matching.EMAIL or envelope.key.email is not None:
        return envelope
    listed = envelope.data.get("subscriptions")
    subscriptions = listed if isinstance(listed, list) else []
    channels = {one.get("channel") for one in subscriptions if isinstance(one, dict)}
    email, phones = (plain(envelope.data.get(name)) for name in ("email", "phones"))
    choices = (
        (email is not None, Matching.EMAIL),
        (phones not in (None, []), Matching.PHONE),
        (Channel.EMAIL in channels, Matching.EMAIL_SUB),
        (Channel.SMS in channels, Matching.PHONE_SUB),
    )
    chosen = next((mode for has_key, mode in choices if has_key), None)
    if chosen is None:
        raise missing("email or phone")
    return replace(envelope, matching=chosen)


class Validator(Protocol):
    """Makes of rows imports that may be queued."""

    def validate_all(self, rows: Sequence[FileRow], settled: int, /) -> list[RowResult]:
        """Validate each of `rows`; those up to row `settled` wait no more."""


class RowValidator:
    """Accepts the rows of one job, which share everything but their elements."""

    def __init__(
        self,
        shared: Envelope,
        *,
        job_id: UUID,
        token_id: int | None,
        schemas: ProfileSchemas,
        partitions: int,
    ) -> None:
        self._shared = shared
        self._job_id = job_id
        self._token_id = token_id
        self._schemas = schemas
        self._partitions = partitions
        self._ranking = new_ranking(schemas.catalog)

    def validate_all(self, rows: Sequence[FileRow], settled: int) -> list[RowResult]:
        """Validate each of `rows`; those up to row `settled` wait no more."""
        self._ranking.settle(settled)
        return [self._validate(row) for row in rows]

    def _find_more(self, row: FileRow) -> list[Fault]:
        """Return what else is wrong with a row of which some values were not read."""
        known = {fault.path for fault in row.faults}
        if not row.element:
            return []
        try:
            found = self._schemas.prepare(self._make(row)).faults
        except Rejected as error:
            found = error.faults
        return [fault for fault in found if fault.path not in known]

    def _make(self, row: FileRow) -> Import:
        """Return the import that a row is; raise Rejected."""
        envelope = load_element(self._shared, self._with_basis(row.element))
        if envelope.else_phone:
            envelope = _choose_key(envelope)
        # Of an upload, its token's right was checked for what holds for every row.
        merges = envelope.on_ambiguous is OnAmbiguous.MERGE
        if merges and self._shared.on_ambiguous is not OnAmbiguous.MERGE:
            raise Forbidden(
                "A row cannot merge profiles (set on_ambiguous for the whole file)",
                "on_ambiguous",
            )
        return to_import(
            envelope,
            import_id=row_import_id(self._job_id, row.number),
            accepted_at=datetime.now(UTC),
            door=DOOR,
            token_id=self._token_id,
            # The job and the number alone would make another row the same import.
            fingerprint=make_fingerprint({"row": row.element}),
        )

    def _with_basis(self, element: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return an element whose basis has what that of the file says besides."""
        own, shared = element.get("consent"), self._shared.consent
        # Without data, what is called so is a field.
        if shared is None or not isinstance(own, Mapping) or "data" not in element:
            return element
        return {**element, "consent": {**to_builtins(shared), **own}}

    def _validate(self, row: FileRow) -> RowResult:
        if row.faults:
            return self._validate_rest(row)
        try:
            import_ = self._make(row)
        except Rejected as error:
            return RowResult(row=row, faults=error.faults)
        return self._place(row, import_)

    def _place(self, row: FileRow, import_: Import) -> RowResult:
        try:
            accepted = place(import_, self._schemas.catalog, self._partitions)
        except Rejected as error:
            # It has no place; whoever corrects it wants to hear of the rest too.
            found = self._schemas.prepare(import_).faults or error.faults
            return RowResult(row=row, faults=(*row.faults, *found))
        accepted = ranked(accepted, self._ranking, row.number)
        return RowResult(row=row, accepted=accepted)

    def _validate_rest(self, row: FileRow) -> RowResult:
        """Validate a row of which some values were not read.

        By `skip_invalid_fields` it is accepted without them, if they can be spared.
        """
        if self._shared.skip_invalid_fields and row.element:
            with suppress(Rejected):
                import_ = replace(self._make(row), unread=row.faults)
                if self._are_optional(row.faults, import_):
                    return self._place(row, import_)
        return RowResult(row=row, faults=(*row.faults, *self._find_more(row)))

    def _are_optional(self, faults: Sequence[Fault], import_: Import) -> bool:
        # The status of a subscription is never spared, nor a key.
        if not all(_FIELD.fullmatch(fault.path) for fault in faults):
            return False
        database = self._schemas.catalog.databases[import_.database_id]
        return not split_optional(faults, import_, database)[1]

"""Rows to imports that may be queued, or to all that is wrong with them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol
from uuid import UUID

from msgspec import to_builtins

from ingest.domain.errors import Fault, Forbidden, Rejected
from ingest.domain.imports import Import, OnAmbiguous
from ingest.domain.jobs import row_import_id
from ingest.doors.accept import Accepted, new_ranking, place, ranked
from ingest.doors.files.rows import FileRow
from ingest.wire.batches import load_element
from ingest.wire.envelopes import Envelope, to_import
from ingest.wire.fingerprints import make_fingerprint
from ingest.wire.profile_schemas import ProfileSchemas

#: The door's name in receipts and metrics.
DOOR = "file"


@dataclass(frozen=True, slots=True, kw_only=True)
class RowResult:
    """The result of validating a row."""

    row: FileRow
    #: None if it is rejected.
    accepted: Accepted | None = None
    faults: tuple[Fault, ...] = ()


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
            return RowResult(row=row, faults=(*row.faults, *self._find_more(row)))
        try:
            import_ = self._make(row)
        except Rejected as error:
            return RowResult(row=row, faults=error.faults)
        try:
            accepted = place(import_, self._schemas.catalog, self._partitions)
        except Rejected as error:
            # It has no place; whoever corrects it wants to hear of the rest too.
            found = self._schemas.prepare(import_).faults
            return RowResult(row=row, faults=found or error.faults)
        accepted = ranked(accepted, self._ranking, row.number)
        return RowResult(row=row, accepted=accepted)

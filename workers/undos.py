"""The undos of a batch, with the histories of their profiles."""

from collections.abc import Sequence
from uuid import UUID

from msgspec.structs import replace

from ingest.domain.batches import NO_PAST, AppliedImport, Past, Prepared
from ingest.domain.catalog import Catalog
from ingest.domain.histories import PastImport
from ingest.domain.imports import Import
from ingest.domain.merging import StoredMerge
from ingest.domain.undoing import find_merges, list_restored, remember
from ingest.store.database import Connection
from ingest.store.profiles.merges import load_merges
from ingest.store.receipts.histories import load_histories
from ingest.store.rows import Id


class Undos:
    """Knows the histories of the profiles that a batch undoes something of."""

    def __init__(
        self, connection: Connection, batch: Sequence[Prepared], catalog: Catalog
    ) -> None:
        self._connection = connection
        self._catalog = catalog
        # Nearly every batch has none, and loads nothing.
        self._is_needed = any(one.import_.undo is not None for one in batch)
        self._histories: dict[Id, list[PastImport]] = {}
        #: Merges that are to be undone, as far as they can be.
        self._merges: dict[UUID, StoredMerge] = {}

    def prepare(self, batch: Sequence[Prepared]) -> list[Prepared]:
        """Return `batch`, in which undos name the unique values that may come back.

        These are to be locked before profiles are, so they are read beforehand.
        """
        if not self._is_needed:
            return list(batch)
        self.load(batch)
        return [self._prepare(one) for one in batch]

    def load(self, batch: Sequence[Prepared]) -> None:
        """Load the histories of the profiles, which are locked, as they are now."""
        if not self._is_needed:
            return
        targets = [
            (_find_profile(one.import_), one.import_.undo.import_id)
            for one in batch
            if one.import_.undo is not None
        ]
        self._histories = load_histories(self._connection, targets)
        undone = {import_id for _, import_id in targets}
        merges = find_merges(self._histories.values(), undone)
        self._merges = load_merges(self._connection, merges)

    def find_past(self, import_: Import) -> Past | None:
        """Return what an undo needs to know; of other imports, None."""
        if import_.undo is None:
            return None
        return Past(
            # As long as this import lasts: what the batch adds comes behind.
            history=tuple(self._histories.get(_find_profile(import_), ())),
            merge=self._merges.get(import_.undo.import_id),
        )

    def note(self, import_: Import, step: AppliedImport) -> None:
        """Let the undos behind an import in its batch know what came of it."""
        outcome = step.outcome
        if self._is_needed and outcome.profile_id is not None:
            owner = (import_.database_id, outcome.profile_id)
            if owner in self._histories:
                self._histories[owner].append(remember(import_, outcome))
            if step.merge is not None and outcome.undoes is None:
                self._merges[step.merge.merge_id] = step.merge

    def _prepare(self, one: Prepared) -> Prepared:
        if one.import_.undo is None or one.faults:
            return one
        database = self._catalog.databases[one.import_.database_id]
        past = self.find_past(one.import_) or NO_PAST
        restored = list_restored(past.history, database, past.merge)
        return replace(one, restored=restored)


def _find_profile(import_: Import) -> Id:
    return import_.database_id, import_.key.profile_id or ""
